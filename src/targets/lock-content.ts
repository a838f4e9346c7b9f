import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { hasEnded, type ProcessPlace, processPlace } from '../base/boot-id.ts';
import { NightlyError } from '../base/errors.ts';
import { type RecordFormat, readRecord, recordFormat } from '../base/read-record.ts';
import type { Task } from '../base/task.ts';

/** The lock of a target, at its root: flock(2) is held on it where there is such a thing, elsewhere it holds a little JSON. */
export const LOCK_PATH = '.atomic-nightly.lock';

/** A swap puts a few small files; whoever holds the lock for longer is gone. */
export const LIFE_MS = 5 * 60_000;

/** What the lock file holds. */
export interface LockContent extends ProcessPlace {
  readonly token: string;
  /** The holder's `ProcessPlace`, so that one that was killed does not lock out its own resume. */
  readonly host: string;
  readonly boot: string;
  /** Milliseconds since the epoch by the holder's clock; 0 once it is free. */
  readonly until: number;
}

const schema = z.looseObject({
  token: z.string(),
  host: z.string(),
  boot: z.string(),
  machine: z.string().exactOptional(),
  pids: z.string().exactOptional(),
  pid: z.int().min(0),
  // What a date can hold.
  until: z.number().min(0).max(8.64e15),
});

const FORMAT: RecordFormat<LockContent> = recordFormat({ schema, hint: '' });

/** A lock of this process, from now on. */
export function newLock(): LockContent {
  return renewed({ token: randomUUID(), host: hostname(), ...processPlace(), until: 0 });
}

/** The same lock, with all of its life before it. */
export const renewed = (lock: LockContent): LockContent => ({ ...lock, until: Date.now() + LIFE_MS });

/** The same lock, given up. */
export const freed = (lock: LockContent): LockContent => ({ ...lock, until: 0 });

/** Whether a lock that was found keeps the holder of `mine` out: it was not given up, and its holder is not known to be gone. */
export function isHeld(lock: LockContent, mine: LockContent): boolean {
  return lock.token !== mine.token && lock.until > 0 && !isDead(lock, mine);
}

/**
 * Reads the lock file until nobody has the lock. Whether a holder on another machine is gone is told by no clock, for the two may
 * disagree: one that is over by ours, or lasts longer than locks do, is watched, and counts as left behind when it has
 * stayed the same for as long as a lock lives.
 * @param read what the lock file has now
 * @returns what was read last
 * @throws NightlyError `locked`, naming the holder, at once where the clocks agree that it may still be at work.
 */
export async function untilUnheld<Found extends { readonly content: Uint8Array }>(
  read: () => Promise<Found | undefined>,
  mine: LockContent,
  target: string,
  task: Task,
): Promise<Found | undefined> {
  let found = await read();
  const first = found && readLock(found.content, target);
  if (!first || !isHeld(first, mine)) return found;
  const rest = first.until - Date.now();
  if (rest >= 0 && rest <= LIFE_MS) throw refusal(first, target);
  const begun = performance.now();
  task.say(
    `process ${first.pid} on ${first.host} left the lock of target ${target}, or has another time: watching it for up to ${LIFE_MS / 60_000} minutes`,
  );
  for (let wait = 1000; performance.now() - begun < LIFE_MS; wait = Math.min(2 * wait, 15_000)) {
    await pause(wait, undefined, { signal: task.signal });
    found = await read();
    const lock = found && readLock(found.content, target);
    if (!lock || !isHeld(lock, mine)) return found;
    if (lock.token !== first.token) throw refusal(lock, target);
  }
  return found;
}

/** Whether the lock's holder is a process of this machine that is gone. */
function isDead(lock: LockContent, mine: LockContent): boolean {
  return lock.host === mine.host && hasEnded(lock);
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
    return readRecord(content, FORMAT, LOCK_PATH);
  } catch (error) {
    throw new NightlyError('locked', `Target "${target}" has a ${LOCK_PATH} that is not this program's.`, {
      hint: 'Find out who wrote it; remove it if nobody needs it.',
      cause: error,
    });
  }
}

/** When a lock ends by itself, for messages. */
export const timeOf = (lock: LockContent): string => new Date(lock.until).toISOString();
