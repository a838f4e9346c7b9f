import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Task } from '../../src/base/task.ts';
import type { GpgAgentConfig } from '../../src/config/config.ts';
import { gpgExport, gpgFingerprint, gpgMakeKey, gpgStopAgent } from '../../src/programs/gpg.ts';
import { testTask } from './tmp.ts';

export interface TestKey extends GpgAgentConfig {
  readonly home: string;
  readonly publicKeyFile: string;
}

/** A signing key in a GnuPG home of its own, whose agent is stopped when the running test ends. */
export async function makeSigningKey(dir: string): Promise<TestKey> {
  const key = await makeKey(dir);
  onTestFinished(() => gpgStopAgent(key.home, testTask(dir)));
  return key;
}

/** The same; the caller stops the agent. Keys of one test file differ, but for every eighth. */
export async function makeKey(dir: string): Promise<TestKey> {
  const home = join(dir, 'gnupg');
  const task = testTask(dir);
  await cp(await cachedHome(`signing-${given % 8}`, task), home, { recursive: true });
  given += 1;
  const key = await gpgFingerprint(home, task);
  const publicKeyFile = join(dir, 'public.asc');
  await writeFile(publicKeyFile, await gpgExport(home, key, task));
  return { type: 'gpg-agent', home, key, publicKeyFile };
}

const CACHE = join(tmpdir(), 'atomic-nightly-test-cache');
let given = 0;

/** A GnuPG home with one key, kept in the system's temporary folder: a third of a second of work each. */
async function cachedHome(name: string, task: Task): Promise<string> {
  const home = join(CACHE, name);
  if (existsSync(home)) return home;
  await mkdir(CACHE, { recursive: true });
  const fresh = await mkdtemp(join(CACHE, 'g-'));
  await gpgMakeKey(fresh, 'test <test@example.org>', 2048, task);
  await gpgStopAgent(fresh, task);
  for (const file of await readdir(fresh)) if (file.startsWith('S.')) await rm(join(fresh, file), { force: true });
  // Another test worker may have been faster: its key is as good.
  await rename(fresh, home).catch(() => rm(fresh, { recursive: true, force: true }));
  return home;
}
