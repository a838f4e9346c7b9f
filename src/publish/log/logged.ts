import type { Task } from '../../base/task.ts';
import type { Target } from '../../targets/target.ts';

declare const asked: unique symbol;

/**
 * Who is asked before something becomes visible (I17): whatever moves a ref, or puts a build's records, needs one. Only the log
 * makes them; `NO_LOG` is for configurations that keep none.
 */
export interface LogGate {
  readonly [asked]: true;
  /**
   * Makes sure that entries are in the log, witnessed where that is configured, and that the copy of the log on this target has
   * them, with the proofs that are published of them.
   * @param entries each in its parts, as `formatEntry` gives them
   * @throws what `appendToLog`, `witnessLog` and `copyLog` throw.
   */
  before(entries: readonly (readonly Buffer[])[], target: Target, task: Task): Promise<void>;
}

/** Gives the brand; for the log alone. */
export function logGate(before: LogGate['before']): LogGate {
  return { before } as LogGate;
}

/** The gate where no log is kept, and for places that belong to none. */
export const NO_LOG: LogGate = logGate(async () => undefined);
