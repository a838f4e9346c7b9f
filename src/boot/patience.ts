import { runningMs } from '../base/running-time.ts';
import type { Task } from '../base/task.ts';
import { bootFault, serialSize } from './serial-log.ts';

/**
 * How long to wait for a machine. On a busy host everything takes longer, so what counts is whether the machine makes
 * progress: the time starts anew with whatever it writes to its serial line. A machine that writes for ever (one that
 * restarts again and again) must not be waited for without an end, hence the second limit.
 */
export interface Patience {
  readonly serialLog: string;
  /** Without a word on the serial line; in all, `IN_ALL` times that. */
  readonly seconds: number;
  /** Bytes of it that count no more, where it is a machine's console: one that says that its boot failed is not waited for. */
  readonly consoleFrom?: number;
}

const IN_ALL = 5;
const LOOK_EVERY_MS = 1000;

/** A machine that is waited for no longer; the message is the reason, as the end of a sentence. */
export class Stalled extends Error {}

/** A function that gives the reason why a machine is waited for no longer, or undefined while it is. */
export function patience({ serialLog, seconds, consoleFrom }: Patience): () => Promise<string | undefined> {
  const started = runningMs();
  let since = started;
  let size = -1;
  return async () => {
    const now = runningMs();
    const written = await serialSize(serialLog);
    if (written !== size) {
      const fault = consoleFrom === undefined ? undefined : await bootFault(serialLog, consoleFrom, Math.max(size, 0));
      if (fault !== undefined) return fault;
      [size, since] = [written, now];
    }
    if (now - since >= seconds * 1000) return `nothing came from it within ${seconds} s`;
    if (now - started >= seconds * 1000 * IN_ALL)
      return `it still writes to its serial line after ${seconds * IN_ALL} s`;
    return undefined;
  };
}

/**
 * Does something that needs a machine, as long as the machine makes progress.
 * @param work gets a task that is aborted when the machine stalls
 * @throws Stalled
 */
export async function whileProgressing<Result>(
  limits: Patience,
  task: Task,
  work: (task: Task) => Promise<Result>,
): Promise<Result> {
  const spent = patience(limits);
  const giveUp = new AbortController();
  let looking = false;
  const timer = setInterval(async () => {
    if (looking) return;
    looking = true;
    const reason = await spent().catch(() => undefined);
    looking = false;
    if (reason !== undefined) giveUp.abort(new Stalled(reason));
  }, LOOK_EVERY_MS);
  try {
    return await work({ ...task, signal: AbortSignal.any([task.signal, giveUp.signal]) });
  } finally {
    clearInterval(timer);
  }
}
