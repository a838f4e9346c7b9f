import pRetry from 'p-retry';
import type { Task } from '../../base/task.ts';
import { codeOf, isPassing, isUnreachable, statusOf } from './s3-faults.ts';

/** What the requests of one client have met so far. */
export interface Requests {
  readonly target: string;
  /**
   * Whether the server has answered anything yet: a wrong endpoint is reported at once, a restarting one is waited for.
   */
  answered: boolean;
  /** Requests made once more. */
  again: number;
  /** When that was last said. */
  saidAt: number;
}

/** Number of retries, with pauses of 0.2, 0.4, 0.8 … 5 s, each up to doubled by chance: 16 to 33 s in all. */
const RETRIES = 7;

/** Requests under way at the same time tend to fail together. */
const SAY_EVERY_MS = 10_000;

/** Repeats `work` until it succeeds, fails for good, or has been tried eight times. */
export async function retrying<Result>(
  requests: Requests,
  what: string,
  work: () => Promise<Result>,
  task: Task,
): Promise<Result> {
  const worthAnotherTry = (error: unknown): boolean => {
    if (statusOf(error) !== undefined) requests.answered = true;
    return isPassing(error) && (requests.answered || !isUnreachable(error));
  };
  return pRetry(
    async () => {
      const result = await work();
      requests.answered = true;
      return result;
    },
    {
      retries: RETRIES,
      minTimeout: 200,
      maxTimeout: 5000,
      randomize: true,
      signal: task.signal,
      shouldRetry: ({ error }) => worthAnotherTry(error),
      onFailedAttempt: ({ error, retriesLeft }) => {
        if (retriesLeft > 0 && worthAnotherTry(error)) sayAgain(requests, what, error, task);
      },
    },
  );
}

function sayAgain(requests: Requests, what: string, error: unknown, task: Task): void {
  requests.again += 1;
  if (task.signal.aborted || performance.now() - requests.saidAt < SAY_EVERY_MS) return;
  requests.saidAt = performance.now();
  const { again, target } = requests;
  const count = again === 1 ? '' : `; ${again} requests were made again so far`;
  task.say(`${target}: ${what} met ${statusOf(error) ?? ''} ${codeOf(error)}, trying again${count}`.replace('  ', ' '));
}
