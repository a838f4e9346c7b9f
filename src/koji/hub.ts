import type { z } from 'zod';
import type { XmlRpcValue } from './xml-rpc-value.ts';

/** A call of the hub with the shape of its answer. Calls are values: the same one goes alone or with others. */
export interface HubCall<Value> {
  readonly method: string;
  readonly params: readonly XmlRpcValue[];
  readonly shape: z.ZodType<Value>;
  /** Whether the hub must know who calls. Reading needs no login. */
  readonly login: boolean;
}

/** How one of several calls ended. */
export type HubResult<Value> =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'fault'; readonly code: number; readonly message: string };

/**
 * A koji hub. Passing failures (no connection, HTTP 5xx and 429, an answer that is cut short) are tried again with the same
 * call number, so that the hub does nothing twice; maintenance is waited out. Calls with a login follow one another, as the
 * numbers of a session do; others may go side by side.
 *
 * A call that was done while its answer was lost is made once more under the next number: all calls here can be repeated,
 * and the second answer shows what the first one did.
 */
export interface Hub {
  /**
   * Makes a call and returns the answer.
   * @throws NightlyError `koji` for a fault, a refused login, or an answer of another shape; `koji-unreachable`.
   */
  call<Value>(call: HubCall<Value>): Promise<Value>;
  /**
   * Makes calls that read in one request, which is one transaction at the hub, and returns their answers.
   * @throws NightlyError as `call`
   */
  together<Values extends readonly unknown[]>(
    calls: {
      readonly [Index in keyof Values]: HubCall<Values[Index]>;
    },
  ): Promise<Values>;
  /**
   * Makes calls of one kind in few requests, and returns how each ended, in their order. Each request is one transaction at
   * the hub, in which a call that fails undoes itself alone.
   * @param batch the most calls in one request; default: as many as the hub does in some ten seconds
   * @throws NightlyError as `call`, but not for the fault of a single call.
   */
  callAll<Value>(calls: readonly HubCall<Value>[], batch?: number): Promise<HubResult<Value>[]>;
  /** Ends the session, if there is one. */
  close(): Promise<void>;
}
