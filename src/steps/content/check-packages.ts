import { rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { armoredKey } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import { checkRpms } from '../../rpm/check-signatures.ts';
import type { PooledPackage } from './package-pool.ts';

/**
 * Verifies signed packages with rpmkeys against the public key alone, and moves the good ones to where packages are published
 * from: whatever is there was verified (C3).
 * @param arrived by payload hash
 * @param names for messages, by payload hash
 * @param dir a scratch folder, made anew
 * @throws NightlyError `verify` naming each that is not signed by the key, before any of them is moved.
 */
export async function checkPackages(
  arrived: ReadonlyMap<string, PooledPackage>,
  {
    key,
    pool,
    names,
    dir,
  }: {
    readonly key: Uint8Array;
    readonly pool: string;
    readonly names: ReadonlyMap<string, string>;
    readonly dir: string;
  },
  task: Task,
): Promise<void> {
  const files = [...arrived.values()].map(({ file }) => file);
  const faults = await checkRpms(files, [armoredKey(key)], dir, task);
  if (faults.length > 0) {
    const lines = faults.map(({ file, report }) => `  ${names.get(basename(file).slice(0, 32)) ?? file}: ${report}`);
    throw new NightlyError(
      'verify',
      `${faults.length} packages are not signed as they should be:\n${lines.sort().join('\n')}`,
      {
        hint: 'Nothing of the tag was published. A signature in koji that is not of this key has to be deleted there: "koji delete-rpm-sig".',
      },
    );
  }
  await makeFolder(pool);
  for (const file of files) await rename(file, join(pool, basename(file)));
}
