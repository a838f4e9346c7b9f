import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import {
  bytesIfThere,
  filesBelow,
  readTextIfExists,
  sha256File,
  withTemporaryFolder,
  writeFileAtomic,
} from '../../base/files.ts';
import { armoredSignature, signaturePacketsIn } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import { type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import type { Config } from '../../config/config.ts';
import { signatureName } from '../../published/paths.ts';
import { parseSums } from '../../published/sha256sums.ts';
import { fetchFile } from '../../rpm/download.ts';
import { jointSigner } from '../../signing/open-signer.ts';
import type { Signer } from '../../signing/signer.ts';
import { isSignedByAnyKey } from '../../signing/verify-detached.ts';
import type { Target } from '../../targets/target.ts';
import { recordSignature } from './sign-files.ts';
import type { SigningStream } from './signing-stream.ts';

/** A file of an earlier build that some key has signed, and others not yet. */
export interface UnsignedFile {
  /** Relative to the work folder and to the target. */
  readonly path: string;
  /** Digest of an image or a record, as in SHA256SUMS. */
  readonly sha256?: string | undefined;
  /** The signatures it has. */
  readonly there: readonly Uint8Array[];
  readonly lacks: readonly Signer[];
}

/**
 * Finds, of the builds of a stream that are on a target, what SHA256SUMS names, SHA256SUMS itself, the record and the release
 * notes, as far as signed and not by all keys of the stream. What nobody has signed is left alone, and what is not here any
 * more has its signature read from the target.
 */
export async function findUnsignedFiles(
  { work }: Pick<Config, 'work'>,
  { stream, use, signers }: SigningStream,
  target: Target,
  task: Task,
): Promise<UnsignedFile[]> {
  const isThere = ({ meta }: StoredBuild): boolean =>
    meta.stream === stream.name &&
    (use.releases ? use.builds && meta.release !== undefined : (meta.published?.includes(target.name) ?? false));
  const found: UnsignedFile[] = [];
  const signer = jointSigner(signers);
  for (const build of (await surveyBuilds(work)).builds.filter(isThere)) {
    task.signal.throwIfAborted();
    for (const { path, sha256 } of await filesOf(build, { work, signer }, task)) {
      const local = await bytesIfThere(join(work, signatureName(path)));
      const there = signaturePacketsIn(local ?? (await target.read(signatureName(path), task)));
      if (there.length === 0) continue;
      const lacks: Signer[] = [];
      for (const one of signers) if (!(await isSignedByAnyKey(await one.clientKey(task), there, task))) lacks.push(one);
      if (lacks.length > 0) found.push({ path, there, lacks, sha256 });
    }
  }
  return found;
}

/** Its files that may be signed; a record that was written again since it was signed is signed as a whole by others. */
async function filesOf(
  { paths }: StoredBuild,
  { work, signer }: { readonly work: string; readonly signer: Signer },
  task: Task,
): Promise<{ path: string; sha256?: string }[]> {
  const folder = relative(work, paths.dir);
  const sums = await readTextIfExists(join(paths.dir, SUMS));
  if (sums === undefined) return [];
  const released = await filesBelow(paths.release);
  const notes = released.filter((name) => released.includes(signatureName(name)));
  return [
    ...parseSums(sums).map(({ path, sha256 }) => ({ path: `${folder}/${path}`, sha256 })),
    ...notes.map((name) => ({ path: join(relative(work, paths.release), name) })),
    { path: `${folder}/${SUMS}` },
    ...((await recordSignature(paths.dir, signer, task)) === 'stale' ? [] : [{ path: `${folder}/${RECORD_FILE}` }]),
  ];
}

/**
 * Puts the missing signatures beside those that are there, in the work folder: NAME.asc. An image that is not here any more
 * is fetched from the target for it; one that is not what SHA256SUMS says is signed by nobody.
 * @throws NightlyError `image`, `signing`, `target-unreachable`.
 */
export async function signFilesAgain(
  files: readonly UnsignedFile[],
  { work, target }: { readonly work: string; readonly target: Target },
  task: Task,
): Promise<void> {
  for (const [index, { path, sha256, there, lacks }] of files.entries()) {
    task.progress(index, files.length, 'files');
    await withTemporaryFolder(async (folder) => {
      const local = join(work, path);
      const file = existsSync(local) ? local : join(folder, 'fetched');
      if (file !== local) await fetchFile(`${target.publicUrl}/${path}`, file, task).catch(unreachable(target, path));
      const digest = await sha256File(file);
      if (sha256 !== undefined && digest !== sha256) {
        throw new NightlyError('image', `${path} is not what ${SUMS} says, so it gets no further signature.`, {
          hint: `Find out who changed it; "atomic-nightly verify ${target.name} --images" checks all of them.`,
        });
      }
      const added: Uint8Array[] = [];
      for (const signer of lacks) added.push(await signer.sign({ file, sha256: digest }, task));
      const all = new Uint8Array(Buffer.concat([...there, ...added]));
      await writeFileAtomic(signatureName(local), armoredSignature(all));
    });
  }
}

const unreachable =
  (target: Target, path: string) =>
  (cause: unknown): never => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new NightlyError('target-unreachable', `${target.publicUrl}/${path} cannot be fetched: ${why}`, {
      hint: 'It is only on the target, and must be read to be signed. Run again once it can be fetched.',
      cause,
    });
  };
