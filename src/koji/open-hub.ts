import { z } from 'zod';
import { inBatches } from '../base/batches.ts';
import type { Connection } from '../base/connection.ts';
import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import { reasons } from '../base/read-record.ts';
import type { Task } from '../base/task.ts';
import { FAULT } from './fault-codes.ts';
import type { Hub, HubCall, HubResult } from './hub.ts';
import { HUB_PATIENCE, type HubLogin, type HubPatience, postCall } from './post-call.ts';
import { faultOf } from './read-answer.ts';
import { openSession } from './session.ts';
import { formatCall } from './write-call.ts';
import type { XmlRpcAnswer, XmlRpcValue } from './xml-rpc-value.ts';

export interface HubOptions {
  /** URL of the hub, without a slash at its end. */
  readonly server: string;
  /** Certificates and proxy. */
  readonly connection: Connection;
  /** Default: by the connection's client certificate. */
  readonly login?: HubLogin;
  readonly patience?: HubPatience;
}

/** Reads in one request; koji's own tools ask for as many. */
const READ_BATCH = 1000;
/** Writes in one request, each of which takes the hub about 60 ms: a transaction of 10 seconds. */
const WRITE_BATCH = 150;

/** Opens a hub. Nothing is sent before the first call, and nobody logs in before one that needs it. */
export function openHub({ server, connection, login, patience = HUB_PATIENCE }: HubOptions, task: Task): Hub {
  const options = { connection, patience, task };
  const session = openSession(server, login, options);

  const post = async (loggedIn: boolean, method: string, params: readonly XmlRpcValue[]): Promise<XmlRpcAnswer> =>
    loggedIn ? session.post(method, params) : postCall(server, formatCall(method, params), {}, options);

  async function callAll<Value>(calls: readonly HubCall<Value>[], most?: number): Promise<HubResult<Value>[]> {
    const results: HubResult<Value>[] = [];
    const batch = most ?? (calls.some(({ login }) => login) ? WRITE_BATCH : READ_BATCH);
    for (const some of inBatches(calls, batch)) {
      const list = some.map(({ method, params }) => ({ methodName: method, params }));
      const answer = await post(
        some.some(({ login }) => login),
        'multiCall',
        [list],
      );
      if (answer.kind === 'fault') throw callFailed(server, 'multiCall', answer);
      const answers = shaped(server, 'multiCall', answersTo(some.length), answer.value);
      results.push(...some.map((call, at) => resultOf(server, call, answers[at] ?? null)));
    }
    return results;
  }

  return {
    async call({ method, params, shape, login }) {
      const answer = await post(login, method, params);
      if (answer.kind === 'fault') throw callFailed(server, method, answer);
      return shaped(server, method, shape, answer.value);
    },

    async together<Values extends readonly unknown[]>(
      calls: {
        readonly [Index in keyof Values]: HubCall<Values[Index]>;
      },
    ) {
      const results = await callAll<unknown>(calls, calls.length);
      const values = results.map((result, at) => {
        if (result.kind === 'fault') throw callFailed(server, calls[at]?.method ?? 'multiCall', result);
        return result.value;
      });
      // Each has the shape of its call, and they are in the order of the calls.
      return values as unknown as Values;
    },

    callAll,

    close: () => session.close(),
  };
}

const answersTo = (calls: number): z.ZodType<XmlRpcValue[]> => z.array(z.custom<XmlRpcValue>()).length(calls);

/** A call that succeeded is a list of its one value; one that failed is a struct. */
function resultOf<Value>(server: string, { method, shape }: HubCall<Value>, answer: XmlRpcValue): HubResult<Value> {
  if (Array.isArray(answer) && answer.length === 1) {
    return { kind: 'value', value: shaped(server, method, shape, answer[0]) };
  }
  const fault = faultOf(answer);
  if (fault) return fault;
  throw otherAnswer(server, method, 'it is neither a value nor a fault');
}

function shaped<Value>(server: string, method: string, shape: z.ZodType<Value>, value: unknown): Value {
  const { data, error, success } = shape.safeParse(value);
  if (!success) throw otherAnswer(server, method, reasons(error));
  return data;
}

function otherAnswer(server: string, method: string, why: string): NightlyError {
  return new NightlyError('koji', `The koji hub ${server} answers ${method} with something else: ${why}.`, {
    hint: 'Check that the hub is koji 1.21 or newer, and that nothing on the way changes its answers.',
  });
}

function callFailed(
  server: string,
  method: string,
  { code, message }: { code: number; message: string },
): NightlyError {
  const said = oneLine(message);
  return new NightlyError('koji', `The koji hub ${server} refuses ${method}: ${said} (fault ${code}).`, {
    hint:
      code === FAULT.notAllowed || code === FAULT.auth
        ? 'Have an administrator of the hub run "koji grant-permission sign USER".'
        : 'Look the fault up in the log of the hub.',
  });
}
