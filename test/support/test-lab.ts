import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Task } from '../../src/base/task.ts';
import { buildLab, type Lab } from '../../src/lab/build-lab.ts';
import { labKey } from '../../src/lab/lab-keys.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';

const CACHE = join(tmpdir(), 'atomic-nightly-test-cache', 'lab');
const KEYS = join(CACHE, 'keys');

/**
 * Builds the lab of a whole host in a folder. Downloads and signed packages are kept in the system's temporary folder from
 * one test to the next, for which all these labs have the same key: the first takes minutes, the others seconds.
 */
export async function testLab(dir: string, publicUrl: string, task: Task): Promise<Lab> {
  if (!existsSync(KEYS)) await makeKeys(task);
  // Sockets cannot be copied.
  const filter = (path: string) => !basename(path).startsWith('S.');
  await cp(KEYS, join(dir, 'keys'), { recursive: true, preserveTimestamps: true, filter });
  return buildLab({ dir, publicUrl, cacheDir: CACHE }, task);
}

async function makeKeys(task: Task): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const fresh = await mkdtemp(join(CACHE, 'k-'));
  const { gnupgHome } = await labKey(fresh, task);
  await gpgStopAgent(gnupgHome, task);
  await rename(join(fresh, 'keys'), KEYS);
  await rm(fresh, { recursive: true });
}
