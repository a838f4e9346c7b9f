import { setTimeout as pause } from 'node:timers/promises';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import {
  encodeLock,
  freed,
  isHeld,
  type LockContent,
  newLock,
  readLock,
  refusal,
  renewed,
  timeOf,
  untilUnheld,
} from '../lock-content.ts';

/** The shortest wait of step 2. */
const SETTLE_MS = 300;

/** How the lock file is read and written, each by one transfer. */
export interface LockAccess {
  /** Name of the target in messages. */
  readonly target: string;
  /** Writes it where there is none or one that `free` wrote. @returns whether it did. */
  take(content: Uint8Array, task: Task): Promise<boolean>;
  read(task: Task): Promise<Uint8Array | undefined>;
  /** Writes it over whatever is there. */
  write(content: Uint8Array, task: Task): Promise<void>;
  /** The same, so that `take` will write over it. */
  free(content: Uint8Array, task: Task): Promise<void>;
}

/**
 * A lock for targets that can only read and replace whole files, as plain rsync does:
 * 1. write an own token where the lock file is free, which the far side can tell by its time (rsync.ts); where it is
 * not, read it, stop when somebody has it, and else write the token over it; 2. wait for longer than that writing took;
 * 3. read it again: only whoever finds the own token has the lock; 4. write it once more as free (nothing is deleted,
 * so an account without deletion will do). Guaranteed: a publisher that begins after another one has the lock stays
 * out, and of several that begin at the same moment the last writer wins. Not guaranteed, for want of any
 * compare-and-swap in rsync: two of them both continue when the second one's writing in step 1 takes longer than the
 * first one's wait, or when a holder stalls for longer than the lock's life. Then one ref replaces another in the wrong
 * order; a ref without its objects cannot come of it.
 *
 * Runs `work` while holding the lock. `confirm` is step 3: it reads the lock file, and whatever else is to be read
 * under the lock, in one go.
 * @throws NightlyError `locked`, naming the holder.
 */
export async function withRsyncLock(
  access: LockAccess,
  confirm: () => Promise<Uint8Array | undefined>,
  work: () => Promise<void>,
  task: Task,
): Promise<void> {
  let mine = newLock();
  let begun = performance.now();
  if (!(await access.take(encodeLock(mine), task))) {
    const read = async () => {
      const content = await access.read(task);
      return content && { content };
    };
    await untilUnheld(read, mine, access.target, task);
    mine = renewed(mine);
    begun = performance.now();
    await access.write(encodeLock(mine), task);
  }
  try {
    const took = performance.now() - begun;
    await pause(Math.max(SETTLE_MS, 2 * took), undefined, { signal: task.signal });
    refuseHeld(access, await confirm(), mine);
    await work();
  } catch (error) {
    // Not ours to free then.
    if (error instanceof NightlyError && error.code === 'locked') throw error;
    await release(access, mine, task);
    throw error;
  }
  await release(access, mine, task);
}

/** Frees the lock also when the task was aborted; failing at it must not hide how the work itself ended. */
async function release(access: LockAccess, mine: LockContent, task: Task): Promise<void> {
  const last: Task = { ...task, signal: AbortSignal.timeout(20_000) };
  try {
    await access.free(encodeLock(freed(mine)), last);
  } catch {
    task.say(`could not free the lock of target ${access.target}; it expires at ${timeOf(mine)}`);
  }
}

function refuseHeld(access: LockAccess, content: Uint8Array | undefined, mine: LockContent): void {
  const lock = content && readLock(content, access.target);
  if (lock && isHeld(lock, mine)) throw refusal(lock, access.target);
}
