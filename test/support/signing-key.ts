import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { SigningConfig } from '../../src/config/config.ts';
import { gpgExport, gpgMakeKey, gpgStopAgent } from '../../src/tools/gpg.ts';
import { testTask } from './tmp.ts';

/** A signing key in a GnuPG home of its own, whose agent is stopped when the running test ends. */
export async function makeSigningKey(dir: string): Promise<SigningConfig & { readonly publicKeyFile: string }> {
  const home = join(dir, 'gnupg');
  const task = testTask(dir);
  const key = await gpgMakeKey(home, 'test <test@example.org>', 2048, task);
  onTestFinished(() => gpgStopAgent(home, task));
  const publicKeyFile = join(dir, 'public.asc');
  await writeFile(publicKeyFile, await gpgExport(home, key, task));
  return { type: 'gpg-agent', home, key, publicKeyFile };
}
