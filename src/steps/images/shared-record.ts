import { appendFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import pRetry from 'p-retry';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, readTextIfExists, sha256 } from '../../base/files.ts';
import { armoredSignature } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { buildMetaText, readBuildMeta } from '../../build/build-record-format.ts';
import type { BuildPaths } from '../../build/build-store.ts';
import { swapWithRetry } from '../../publish/swap-with-retry.ts';
import { signatureName } from '../../published/paths.ts';
import { formatSums, parseSums, type Summed } from '../../published/sha256sums.ts';
import { onTarget, placeOn } from '../../published/target-record.ts';
import type { Project } from '../../run/project.ts';
import { isSignedByOne } from '../../signing/verify-detached.ts';
import { contentEquals } from '../../targets/expect.ts';
import type { SwapRequest, Target } from '../../targets/target.ts';
import { logBuild } from '../log/log-build.ts';

/** What a target has of a build that several machines may work on. */
export interface SharedRecord {
  readonly meta: BuildMeta;
  readonly sums: readonly Summed[];
}

interface Found {
  readonly record?: SharedRecord;
  /** The files as they were, absent ones too. */
  readonly files: SwapRequest['expect'];
}

const NAMES = [RECORD_FILE, SUMS] as const;

/**
 * Returns the record of a build and its SHA256SUMS as a target has them, where the stream signs only with good
 * signatures; undefined when it has none.
 * @throws NightlyError `target-moved` when a signature is still not good after some tries: somebody may have been writing.
 */
export async function readShared(
  project: Project,
  paths: BuildPaths,
  target: Target,
  task: Task,
): Promise<SharedRecord | undefined> {
  const look = () => find(project, paths, target, task);
  const shouldRetry = ({ error }: { readonly error: Error }) =>
    error instanceof NightlyError && error.code === 'target-moved';
  return (await pRetry(look, { retries: 4, minTimeout: 300, shouldRetry, signal: task.signal })).record;
}

/**
 * Changes the record of a build and its SHA256SUMS on a target by compare-and-swap, from what is there now, so that no other
 * machine's part is lost; where the stream signs, what is there must be signed, and each file goes right behind its signature.
 * @param change is given undefined when nothing is there; may be called again when others get in between
 * @returns what the target has then
 * @throws NightlyError `target-moved`, `locked`, `signing`; whatever `change` throws.
 */
export async function changeShared(
  project: Project,
  paths: BuildPaths,
  change: (there: SharedRecord | undefined) => SharedRecord,
  target: Target,
  task: Task,
): Promise<SharedRecord> {
  const { signer, config } = project;
  const folder = relative(config.work, paths.dir);
  const made: SharedRecord[] = [];
  const prepare = async (): Promise<SwapRequest | undefined> => {
    const { record, files } = await find(project, paths, target, task);
    const next = change(record);
    made.push(next);
    const { meta, sums } = next;
    const contents = { [RECORD_FILE]: buildMetaText(meta), [SUMS]: formatSums(sums) };
    const put: { path: string; content: Uint8Array }[] = [];
    const all = new Map<string, Uint8Array>();
    // The checksums first: an image that the record names is vouched for.
    for (const name of NAMES.toReversed()) {
      const path = `${folder}/${name}`;
      const content = Buffer.from(contents[name]);
      const at = (wanted: string) => files.find((file) => file.path === wanted)?.content;
      const signature = signer && Buffer.from(armoredSignature(await signer.sign(content, task)));
      all.set(name, content);
      if (signature) all.set(signatureName(name), signature);
      const isThere = contentEquals(at(path), content);
      if (signature && !(isThere && contentEquals(at(signatureName(path)), signature)))
        put.push({ path: signatureName(path), content: signature });
      if (!isThere) put.push({ path, content });
    }
    if (config.log) {
      const isPart = record !== undefined;
      await logBuild({ config, stream: meta.stream }, paths, { meta, sums, contents: all, isPart }, target, task);
    }
    if (put.length === 0) return undefined;
    if (signer) await vouch(paths, files);
    return { expect: files, put };
  };
  await swapWithRetry(prepare, target, task);
  const last = made.at(-1);
  if (!last) throw new NightlyError('bug', 'A record was changed without being read.');
  return last;
}

async function find({ signer, config }: Project, paths: BuildPaths, target: Target, task: Task): Promise<Found> {
  const folder = relative(config.work, paths.dir);
  const names = signer ? NAMES.flatMap((name) => [signatureName(name), name]) : NAMES;
  const wanted = names.map((name) => `${folder}/${name}`);
  const contents = await target.readMany(wanted, task);
  const files = wanted.map((path, index) => ({ path, content: contents[index] }));
  const contentOf = (path: string) => files.find((file) => file.path === path)?.content;
  const [meta, sums] = [contentOf(`${folder}/${RECORD_FILE}`), contentOf(`${folder}/${SUMS}`)];
  // The checksums are put first, so without a record there is nothing yet that anybody vouches for.
  if (!meta || !sums) return { files };
  if (signer) {
    const publicKey = await signer.publicKey(task);
    for (const name of NAMES) {
      const [what, signature] = [contentOf(`${folder}/${name}`), contentOf(`${folder}/${signatureName(name)}`)];
      if (what && signature && (await isSignedByOne(publicKey, what, [signature], task))) continue;
      if (what && (await isVouchedFor(paths, what))) continue;
      throw unsigned(`${folder}/${name}`, target);
    }
  }
  const place = placeOn(`${folder}/${RECORD_FILE}`, target);
  const record = onTarget(() => readBuildMeta(meta, { id: paths.id, arch: basename(paths.dir) }, place));
  const listed = onTarget(() => parseSums(new TextDecoder().decode(sums), placeOn(`${folder}/${SUMS}`, target)));
  return { record: { meta: record, sums: listed }, files };
}

/** Digests of files whose signatures were good when this machine was about to replace them, a line each. */
const vouchedFor = ({ scratch }: BuildPaths): string => join(scratch, 'vouched-for');

/** A kill between a signature and its file leaves the new one over the old other: here it is known that the old file was good. */
async function vouch(paths: BuildPaths, files: Found['files']): Promise<void> {
  await makeFolder(paths.scratch);
  const digests = files.flatMap(({ content }) => (content ? [`${sha256(content)}\n`] : []));
  await appendFile(vouchedFor(paths), digests.join(''));
}

async function isVouchedFor(paths: BuildPaths, content: Uint8Array): Promise<boolean> {
  return (await readTextIfExists(vouchedFor(paths)))?.split('\n').includes(sha256(content)) ?? false;
}

function unsigned(path: string, target: Target): NightlyError {
  return new NightlyError(
    'target-moved',
    `${path} on target "${target.name}" has no good signature of the stream's key.`,
    {
      hint: 'If a machine was killed while it published there, run its command again first; otherwise somebody changed the file: see "atomic-nightly verify".',
    },
  );
}
