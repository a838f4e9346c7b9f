import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import { tryFlock } from '../programs/flock.ts';
import { serviceFolder } from './service-state.ts';

/** The lock of a service that was just killed is freed a moment later. */
const TRIES = 15;
const PAUSE_MS = 200;

/**
 * Takes the lock of the one service of a work folder, `work/service/lock`; gives the function that frees it.
 * @throws NightlyError `locked`
 */
export async function takeServiceLock(work: string): Promise<() => Promise<void>> {
  await makeFolder(serviceFolder(work));
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const free = await tryFlock(join(serviceFolder(work), 'lock'));
    if (free) return free;
    await sleep(PAUSE_MS);
  }
  throw new NightlyError('locked', `Another service runs on the work folder ${work}.`, {
    hint: 'Stop it first, as in "systemctl stop atomic-nightly", or give this one a configuration with another "work".',
  });
}
