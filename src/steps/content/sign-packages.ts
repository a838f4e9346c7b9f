import { copyFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { SnapshotRpm } from '../../content/snapshot.ts';
import { type RpmToSign, signRpms } from '../../signing/sign-rpms.ts';
import type { Signer } from '../../signing/signer.ts';
import type { PooledPackage } from './package-pool.ts';

/** Returns where the signed copy of a package is until koji has its signature. */
export const madePath = (folder: string, { payloadhash }: Pick<SnapshotRpm, 'payloadhash'>): string =>
  join(folder, `${payloadhash}.rpm`);

/**
 * Signs copies of unsigned packages. One that an earlier run signed is not signed again, so that koji is never given two
 * signatures of one package (C7).
 * @param pools by payload hash: copies that were published before, whose signatures koji has lost, and unsigned packages
 * @param how.folder where signed copies go
 * @throws NightlyError `signing`, `verify` naming each package that cannot be signed.
 */
export async function signPackages(
  rpms: readonly SnapshotRpm[],
  pools: Readonly<Record<'signed' | 'unsigned', ReadonlyMap<string, PooledPackage>>>,
  { folder, signer }: { readonly folder: string; readonly signer: Signer },
  task: Task,
): Promise<void> {
  await makeFolder(folder);
  const due: RpmToSign[] = [];
  for (const rpm of rpms) {
    const out = madePath(folder, rpm);
    const [before, unsigned] = [pools.signed.get(rpm.payloadhash), pools.unsigned.get(rpm.payloadhash)];
    if (await ifThere(stat(out))) continue;
    if (before) await copyAside(before.file, out);
    else if (unsigned) due.push({ file: unsigned.file, out });
    else throw new RangeError(`${rpm.file} was not fetched`);
  }
  const unsignable = await signRpms(due, signer, task);
  if (unsignable.length === 0) return;
  const names = new Map(due.map(({ file, out }) => [file, rpms.find((rpm) => madePath(folder, rpm) === out)?.file]));
  const lines = unsignable.map(({ file, why }) => `  ${names.get(file) ?? file}: ${why}`);
  throw new NightlyError('verify', `${unsignable.length} packages cannot be signed:\n${lines.join('\n')}`, {
    hint: 'Nothing of the tag was published. Untag these builds, or have them built again.',
  });
}

async function copyAside(from: string, to: string): Promise<void> {
  const aside = `${to}.${process.pid}.tmp`;
  await copyFile(from, aside);
  await rename(aside, to);
}
