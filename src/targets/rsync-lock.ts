import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { NightlyError } from '../errors.ts';
import type { Task } from '../tools/task.ts';

/**
 * A lock for targets that can only read and replace whole files, as plain rsync does:
 *   1. read the lock file; stop when somebody has it;
 *   2. write an own token over it, and wait for longer than that writing took;
 *   3. read it again: only whoever finds the own token has the lock;
 *   4. write it once more as free (nothing is deleted, so an account without deletion will do).
 * Guaranteed: a publisher that begins after another one has the lock stays out, and of several that begin at the same
 * moment the last writer wins. Not guaranteed, for want of any compare-and-swap in rsync: two of them both go on when
 * the second one's writing in step 2 takes longer than the first one's wait, or when a holder stalls for longer than the
 * lock's life. Then one ref replaces another in the wrong order; a ref without its objects cannot come of it.
 */
export const LOCK_PATH = '.atomic-nightly.lock';

/** A swap puts a few small files; whoever holds the lock for longer is gone. Publishers' clocks must agree within this. */
const LIFE_MS = 5 * 60_000;
/** The shortest wait of step 2. */
const SETTLE_MS = 300;

interface LockContent {
  readonly token: string;
  /** Set by a holder on Linux, so that one that was killed does not lock out its own resume. */
  readonly host: string;
  readonly boot: string;
  readonly pid: number;
  /** Milliseconds since the epoch; 0 once it is free. */
  readonly until: number;
}

/** How the lock file is read and written. */
export interface LockAccess {
  /** For messages. */
  readonly target: string;
  read(task: Task): Promise<Uint8Array | undefined>;
  write(content: Uint8Array, task: Task): Promise<void>;
}

/**
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
  const mine: LockContent = {
    token: randomUUID(),
    host: hostname(),
    boot: bootId(),
    pid: process.pid,
    until: Date.now() + LIFE_MS,
  };
  refuseHeld(access, await access.read(task), mine);
  const begun = performance.now();
  await access.write(encode(mine), task);
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
    await access.write(encode({ ...mine, until: 0 }), last);
  } catch {
    task.say(`could not free the lock of target ${access.target}; it ends by itself at ${time(mine.until)}`);
  }
}

function refuseHeld(access: LockAccess, content: Uint8Array | undefined, mine: LockContent): void {
  if (!content) return;
  const lock = decode(content, access.target);
  if (lock.token === mine.token || lock.until < Date.now() || isDead(lock, mine)) return;
  throw new NightlyError(
    'locked',
    `Another publisher is changing target "${access.target}" right now: process ${lock.pid} on ${lock.host}.`,
    { hint: `Run "atomic-nightly resume" in a minute. Its lock ends by itself at ${time(lock.until)}.` },
  );
}

/** A holder of this machine whose process is gone. One of the same number that started since counts as alive. */
function isDead(lock: LockContent, mine: LockContent): boolean {
  if (lock.host !== mine.host) return false;
  return lock.boot !== mine.boot || !existsSync(`/proc/${lock.pid}`);
}

/** Of the running kernel; differs after a reboot, and from that of another machine with the same name. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

const encode = (lock: LockContent): Uint8Array => Buffer.from(`${JSON.stringify(lock)}\n`);

function decode(content: Uint8Array, target: string): LockContent {
  try {
    return JSON.parse(new TextDecoder().decode(content)) as LockContent;
  } catch (error) {
    throw new NightlyError('locked', `Target "${target}" has a ${LOCK_PATH} that is not this program's.`, {
      hint: 'Find out who wrote it; remove it when nobody needs it.',
      cause: error,
    });
  }
}

const time = (ms: number): string => new Date(ms).toISOString();
