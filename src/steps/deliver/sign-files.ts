import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesIfThere, writeFileAtomic } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import { armoredSignature, signaturePacketsIn } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE } from '../../build/build-files.ts';
import type { GpgvFinding } from '../../programs/gpg.ts';
import { signatureName } from '../../published/paths.ts';
import type { Summed } from '../../published/sha256sums.ts';
import type { Build } from '../../run/build.ts';
import type { Signer } from '../../signing/signer.ts';
import { findingsOf } from '../../signing/verify-detached.ts';

/**
 * Signs files of a build (paths relative to its folder): NAME.asc beside NAME, armored.
 * @throws NightlyError `signing`.
 */
export async function signFiles(
  { paths: { dir } }: Pick<Build, 'paths'>,
  files: readonly Summed[],
  signer: Signer,
  task: Task,
): Promise<void> {
  for (const [index, { sha256, path }] of files.entries()) {
    task.progress(index, files.length, 'files');
    const file = join(dir, path);
    await writeFileAtomic(signatureName(file), armoredSignature(await signer.sign({ file, sha256 }, task)));
  }
  task.say(`signed ${formatCount(files.length, 'file')}`);
}

/** Whether the signatures of these files of a build are still there; retention removes images with theirs. */
export function areSigned({ paths: { dir } }: Pick<Build, 'paths'>, files: readonly Pick<Summed, 'path'>[]): boolean {
  return files.every(({ path }) => existsSync(join(dir, signatureName(path))));
}

/**
 * What the signature beside a build's record is worth to somebody who has these keys: `current` is good over the record as it
 * is now; `stale` is over another; of `others` nothing can be said, since none of these keys made it, or none that still
 * vouches; `none` is not a signature at all. It goes by the bytes alone: files are written again with the same content, and
 * copied with other times.
 */
export type RecordSignature = 'current' | 'stale' | 'others' | 'none';

/** @param signer of the stream; several keys as one: each counts. @throws NightlyError `signing` when a key cannot be had. */
export async function recordSignature(dir: string, signer: Signer, task: Task): Promise<RecordSignature> {
  const file = join(dir, RECORD_FILE);
  const packets = signaturePacketsIn(await bytesIfThere(signatureName(file)));
  if (packets.length === 0) return 'none';
  const [what, publicKey] = [await readFile(file), await signer.clientKey(task)];
  const findings: GpgvFinding[] = [];
  for (const signature of packets) findings.push(...(await findingsOf({ what, signature, publicKey }, task)));
  // A reader with both keys of a rotation refuses the whole when one of two is bad.
  if (findings.includes('bad')) return 'stale';
  return findings.includes('good') ? 'current' : 'others';
}

/** Signs the record of a build as it is now, unless its signature is good. @throws NightlyError `signing`. */
export async function signRecord(dir: string, signer: Signer, task: Task): Promise<void> {
  if ((await recordSignature(dir, signer, task)) === 'current') return;
  const file = join(dir, RECORD_FILE);
  await writeFileAtomic(signatureName(file), armoredSignature(await signer.sign(await readFile(file), task)));
}
