import { setTimeout as pause } from 'node:timers/promises';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import type { SwapRequest, Target } from '../targets/target.ts';

/** Tries until a change of a shared file counts as lost to other publishers. */
const TRIES = 8;

/**
 * Does a compare-and-swap, and starts over from reading when another publisher was faster or holds the target's lock.
 * @param prepare reads the current state and returns the swap that follows from it; undefined if there is nothing to do
 * @throws NightlyError `target-moved` or `locked` when others keep getting in between; whatever `prepare` throws.
 */
export async function swapWithRetry(
  prepare: () => Promise<SwapRequest | undefined>,
  target: Target,
  task: Task,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const request = await prepare();
    if (!request) return;
    try {
      return await target.swap(request, task);
    } catch (error) {
      const passing = error instanceof NightlyError && ['target-moved', 'locked'].includes(error.code);
      if (!passing || tries === TRIES) throw error;
      task.say(`another publisher is at work on ${target.name}; trying again`);
      // Not in step with the other one, who may be waiting just as long.
      await pause(tries * (200 + Math.random() * 400), undefined, { signal: task.signal });
    }
  }
}
