import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import { isFlockHeld, tryFlock } from '../programs/flock.ts';
import { serviceFolder } from './service-state.ts';

/** The lock of a service that was just killed is freed a moment later. */
const TRIES = 15;
const PAUSE_MS = 200;

/** The file that the one service of a work folder has locked while it runs. */
const serviceLockPath = (work: string): string => join(serviceFolder(work), 'lock');

/** Tells whether the service of a work folder runs, by its lock. */
export async function isServiceRunning(work: string): Promise<boolean> {
  return existsSync(serviceLockPath(work)) && isFlockHeld(serviceLockPath(work));
}

/**
 * Takes the lock of the one service of a work folder, `work/service/lock`; gives the function that frees it.
 * @throws NightlyError `locked`
 */
export async function takeServiceLock(work: string): Promise<() => Promise<void>> {
  await makeFolder(serviceFolder(work));
  const free = await takeLock(serviceLockPath(work));
  if (free) return free;
  throw new NightlyError('locked', `Another service runs on the work folder ${work}.`, {
    hint: 'Stop it first, as in "systemctl stop atomic-nightly", or give this one a configuration with another "work".',
  });
}

/**
 * Takes the lock of the one witness that works with a state folder; gives the function that frees it.
 * @throws NightlyError `locked`
 */
export async function takeWitnessLock(state: string): Promise<() => Promise<void>> {
  const free = await takeLock(join(state, 'lock'));
  if (free) return free;
  throw new NightlyError('locked', `Another witness works with the state folder ${state}.`, {
    hint: 'Stop it first: two of them could cosign two histories of a log.',
  });
}

async function takeLock(path: string): Promise<(() => Promise<void>) | undefined> {
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const free = await tryFlock(path);
    if (free) return free;
    await sleep(PAUSE_MS);
  }
  return undefined;
}
