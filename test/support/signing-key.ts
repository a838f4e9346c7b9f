import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { GpgAgentConfig } from '../../src/config/config.ts';
import { gpgExport, gpgMakeKey, gpgStopAgent } from '../../src/programs/gpg.ts';
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

/** The same; the caller stops the agent. */
export async function makeKey(dir: string): Promise<TestKey> {
  const home = join(dir, 'gnupg');
  const task = testTask(dir);
  const key = await gpgMakeKey(home, 'test <test@example.org>', 2048, task);
  const publicKeyFile = join(dir, 'public.asc');
  await writeFile(publicKeyFile, await gpgExport(home, key, task));
  return { type: 'gpg-agent', home, key, publicKeyFile };
}
