import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, writeFileAtomic } from '../../base/files.ts';
import { armoredSignature } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import { parseSums, type Summed } from '../../published/sha256sums.ts';
import type { Build } from '../../run/build.ts';
import type { Signer } from '../../signing/signer.ts';

/** What is signed when it is published, because it changes until then. */
const RECORD = 'meta.json';

/** The list of checksums, which names all that is signed before. */
export const SUMS = 'SHA256SUMS';

/** Returns the name of the detached signature beside a file. */
export function signatureName(file: string): string {
  return `${file}.asc`;
}

/**
 * Signs each file that a build's SHA256SUMS names, and SHA256SUMS itself: NAME.asc beside NAME, armored.
 * @throws NightlyError `signing`.
 */
export async function signFiles(build: Build, signer: Signer, task: Task): Promise<void> {
  const { dir } = build.paths;
  const sums = await readFile(join(dir, SUMS));
  const files = parseSums(sums.toString());
  await signEach(build, files, signer, task);
  await writeFileAtomic(join(dir, signatureName(SUMS)), armoredSignature(await signer.sign(sums, task)));
  task.say(`signed ${files.length} files and ${SUMS}`);
}

/** Signs files of a build (paths relative to its folder). @throws NightlyError `signing`. */
export async function signEach(
  { paths: { dir } }: Build,
  files: readonly Summed[],
  signer: Signer,
  task: Task,
): Promise<void> {
  for (const [index, { sha256, path }] of files.entries()) {
    task.progress(index, files.length + 1, 'files');
    const file = join(dir, path);
    await writeFileAtomic(signatureName(file), armoredSignature(await signer.sign({ file, sha256 }, task)));
  }
}

/** Whether the signatures of these files of a build, and of SHA256SUMS, are still there; retention removes images with theirs. */
export function areSigned({ paths: { dir } }: Pick<Build, 'paths'>, files: readonly string[]): boolean {
  return [...files, SUMS].every((file) => existsSync(join(dir, signatureName(file))));
}

/** Whether the record of a build is as it was signed: its signature is newer. */
export async function recordIsSigned(dir: string): Promise<boolean> {
  const file = join(dir, RECORD);
  const [record, signed] = [await stat(file), await ifThere(stat(signatureName(file)))];
  return signed !== undefined && signed.mtimeMs > record.mtimeMs;
}

/** Signs the record of a build as it is now, unless its signature is newer. @throws NightlyError `signing`. */
export async function signRecord(dir: string, signer: Signer, task: Task): Promise<void> {
  if (await recordIsSigned(dir)) return;
  const file = join(dir, RECORD);
  await writeFileAtomic(signatureName(file), armoredSignature(await signer.sign(await readFile(file), task)));
}
