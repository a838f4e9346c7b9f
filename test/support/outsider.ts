import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { testTask } from './tmp.ts';

/** Somebody who has public keys and nothing else: runs `gpg` in a home of their own, and gives its exit code and words. */
export async function outsider(dir: string, ...publicKeyFiles: readonly string[]) {
  const home = join(dir, `outsider-${publicKeyFiles.length}-${Math.random().toString(36).slice(2, 8)}`);
  await mkdir(home, { mode: 0o700 });
  onTestFinished(() => gpgStopAgent(home, testTask(dir)));
  const gpg = async (...args: readonly string[]): Promise<{ code: number; words: string }> => {
    const { exitCode, stderr } = await run('gpg', ['--homedir', home, ...args], { okExitCodes: [0, 1, 2] });
    return { code: exitCode, words: stderr };
  };
  await gpg('--import', ...publicKeyFiles);
  return gpg;
}
