import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { bootId, hasEnded } from '../base/boot-id.ts';
import { NightlyError } from '../base/errors.ts';

/** Where targets without a lock of their own keep one: a small JSON file at the target's root. */
export const LOCK_PATH = '.atomic-nightly.lock';

/** A swap puts a few small files; whoever holds the lock for longer is gone. Publishers' clocks must agree within this. */
const LIFE_MS = 5 * 60_000;

/** What the lock file holds. */
export interface LockContent {
  readonly token: string;
  /** Set by a holder on Linux, so that one that was killed does not lock out its own resume. */
  readonly host: string;
  readonly boot: string;
  readonly pid: number;
  /** Milliseconds since the epoch; 0 once it is free. */
  readonly until: number;
}

/** Returns a lock of this process, from now on. */
export function newLock(): LockContent {
  const until = Date.now() + LIFE_MS;
  return { token: randomUUID(), host: hostname(), boot: bootId(), pid: process.pid, until };
}

/** The same lock, given up. */
export const freed = (lock: LockContent): LockContent => ({ ...lock, until: 0 });

/** Whether a lock that was found keeps the holder of `mine` out. */
export function isHeld(lock: LockContent, mine: LockContent): boolean {
  return lock.token !== mine.token && lock.until >= Date.now() && !isDead(lock, mine);
}

/** Whether the lock's holder is a process of this machine that is gone. */
function isDead(lock: LockContent, mine: LockContent): boolean {
  if (lock.host !== mine.host) return false;
  return hasEnded(lock.boot, lock.pid);
}

/** Returns what a publisher throws that another one's lock keeps out. */
export function refusal(lock: LockContent, target: string): NightlyError {
  return new NightlyError(
    'locked',
    `Another publisher is changing target "${target}" right now: process ${lock.pid} on ${lock.host}.`,
    { hint: `Run "atomic-nightly resume" in a minute. Its lock expires at ${timeOf(lock)}.` },
  );
}

/** Encodes a lock as the lock file holds it. */
export const encodeLock = (lock: LockContent): Uint8Array => Buffer.from(`${JSON.stringify(lock)}\n`);

/** @throws NightlyError `locked` when the file is not one of ours. */
export function readLock(content: Uint8Array, target: string): LockContent {
  try {
    return JSON.parse(new TextDecoder().decode(content)) as LockContent;
  } catch (error) {
    throw new NightlyError('locked', `Target "${target}" has a ${LOCK_PATH} that is not this program's.`, {
      hint: 'Find out who wrote it; remove it if nobody needs it.',
      cause: error,
    });
  }
}

/** When a lock ends by itself, for messages. */
export const timeOf = (lock: LockContent): string => new Date(lock.until).toISOString();
