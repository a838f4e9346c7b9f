import { join, relative } from 'node:path';
import { bytesIfThere } from '../../base/files.ts';
import { signaturePacketsIn } from '../../base/openpgp-packets.ts';
import type { RecordFormat } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import { surveyBuilds } from '../../build/build-store.ts';
import type { Config, StreamConfig } from '../../config/config.ts';
import { signaturesIn } from '../../ostree/commit-signatures.ts';
import { localObjects, objectPath, parseCommit, readRef } from '../../ostree/objects.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import type { Unrepairable } from '../../publish/reconcile/reconcile-plan.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import { signatureName } from '../../published/paths.ts';
import type { RecordSigning } from '../../published/record-trust.ts';
import {
  LATEST_POINTER,
  type PointerKind,
  pointerPaths,
  pointersOf,
  RELEASE_INDEX,
  STREAM_METADATA,
  TESTED_POINTER,
} from '../../published/stream-files.ts';
import { BOX_CATALOGUE } from '../../published/vagrant-catalogue.ts';
import { jointSigner } from '../../signing/open-signer.ts';
import type { Signer } from '../../signing/signer.ts';
import { isSignedByAll, isSignedByOne } from '../../signing/verify-detached.ts';
import type { Target } from '../../targets/target.ts';
import { latestSigning, releasesSigning } from '../release/release-pointers.ts';
import { boxSigning } from './box-catalogue.ts';
import { indexSigning } from './publish-build.ts';
import type { PointerPlace } from './record-signing.ts';
import { sign } from './sign.ts';
import { findUnsignedFiles, signFilesAgain, type UnsignedFile } from './sign-builds.ts';
import { areSigned, recordSignature, signRecord } from './sign-files.ts';
import type { SigningStream } from './signing-stream.ts';
import { streamMetadataSigning } from './stream-metadata.ts';
import { testedSigning } from './tested.ts';

/** What lacks a signature: of a key that has come since, or of any since it was written again. */
export interface Unsigned {
  /** Commits in the local repository. */
  readonly commits: readonly { readonly commit: string; readonly signer: Signer }[];
  /** Folders of builds whose record it is. */
  readonly records: readonly { readonly dir: string; readonly signer: Signer }[];
  /** Files of earlier builds; none unless requested. */
  readonly files: readonly UnsignedFile[];
  /** Pointers on the target, relative to its root. */
  readonly pointers: readonly { readonly path: string }[];
  /** What refs name, and none of the streams' keys has signed: it may be anything, and gets no signature from here. */
  readonly unvouched: readonly Unrepairable[];
}

/**
 * Finds it: commits that refs of the streams name, where one of their keys has signed them; records of their builds; and what
 * leads readers of the target to builds. Nothing is signed.
 * @param builds whether to look at the commits and files of earlier builds, too
 * @throws NightlyError `signing` when a public key cannot be had.
 */
export async function findUnsigned(
  { work }: Pick<Config, 'work'>,
  streams: readonly SigningStream[],
  { target, builds: earlier }: { readonly target: Target; readonly builds: boolean },
  task: Task,
): Promise<Unsigned> {
  const repo = join(work, 'repo');
  // One that is damaged gets no signature, until it is whole again.
  const { builds } = await surveyBuilds(work);
  const commits: Unsigned['commits'][number][] = [];
  const records: Unsigned['records'][number][] = [];
  const files: UnsignedFile[] = [];
  const unvouched: Unrepairable[] = [];
  for (const one of streams) {
    const { stream, ref, testedRef, use, signers } = one;
    const signer = jointSigner(signers);
    const named = use.tree ? await Promise.all([ref, testedRef].map((name) => name && readRef(repo, name))) : [];
    const heads = named.filter((commit) => commit !== undefined);
    for (const commit of earlier ? await historyOf(repo, heads) : new Set(heads)) {
      const signatures = await signaturesOf(repo, commit, signers, task);
      if (signatures === 'some') commits.push({ commit, signer });
      else if (signatures === 'none' && heads.includes(commit)) unvouched.push(unsignedHead(stream, commit));
    }
    if (earlier) files.push(...(await findUnsignedFiles({ work }, one, target, task)));
    for (const { meta, paths } of builds) {
      if (meta.stream !== stream.name || !areSigned({ paths }, [{ path: SUMS }])) continue;
      const signature = await recordSignature(paths.dir, signer, task);
      if (signature === 'none' || signature === 'stale') records.push({ dir: paths.dir, signer });
    }
  }
  return { commits, records, files, unvouched, pointers: await findUnsignedPointers(streams, target, task) };
}

/** What becomes of a head from before the stream signed, or of one that only a key which was since given up has signed. */
function unsignedHead({ name, release }: StreamConfig, commit: string): Unrepairable {
  const again = release === undefined ? `Run "atomic-nightly nightly ${name} --force"` : 'Promote a build again';
  return {
    what: `the signature of commit ${commit}`,
    why: `none of the keys of stream "${name}" has signed it, and what they did not sign before may be anything`,
    hint: `${again}: its commit will be signed.`,
  };
}

/** Returns what lacks a signature, by names relative to the work folder and to the target. */
export function unsignedNames({ commits, records, files, pointers }: Unsigned, work: string): string[] {
  return [
    ...commits.map(({ commit }) => `commit ${commit}`),
    ...records.map(({ dir }) => `${relative(work, dir)}/${RECORD_FILE}`),
    ...files.map(({ path }) => path),
    ...pointers.map(({ path }) => path),
  ];
}

/** Signs what is here. @throws NightlyError `signing`. */
export async function signAgainHere(
  { commits, records, files }: Unsigned,
  places: { readonly work: string; readonly target: Target },
  task: Task,
): Promise<void> {
  for (const { commit, signer } of commits) await sign(join(places.work, 'repo'), commit, signer, task);
  await signFilesAgain(files, places, task);
  for (const { dir, signer } of records) await signRecord(dir, signer, task);
}

/** These commits and all that came before them, as far as they are here. */
async function historyOf(repo: string, heads: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  const read = localObjects(repo);
  for (const head of heads) {
    for (let at: string | undefined = head; at !== undefined && !found.has(at); ) {
      const bytes = await read(at, 'commit');
      if (!bytes) break;
      found.add(at);
      at = parseCommit(at, bytes).parent;
    }
  }
  return found;
}

/**
 * Whether all of these keys have signed a commit, some of them, or none that its clients have. A commit that is not here is said to have
 * all: there is nothing to sign.
 */
async function signaturesOf(
  repo: string,
  commit: string,
  signers: readonly Signer[],
  task: Task,
): Promise<'all' | 'some' | 'none'> {
  const bytes = await localObjects(repo)(commit, 'commit');
  if (!bytes) return 'all';
  const meta = await bytesIfThere(join(repo, objectPath(commit, 'commitmeta')));
  const signatures = meta ? signaturesIn(meta) : [];
  if (signatures.length > 0 && (await isSignedByAll(signers, bytes, signatures, task))) return 'all';
  const isKnown = await isSignedByOne(await jointSigner(signers).clientKey(task), bytes, signatures, task);
  return isKnown ? 'some' : 'none';
}

/**
 * Returns what leads readers of a target to builds and is not signed by all keys of a stream that writes it; the index
 * is written by each of them.
 */
async function findUnsignedPointers(
  streams: readonly SigningStream[],
  target: Target,
  task: Task,
): Promise<{ readonly path: string; readonly writer: SigningStream }[]> {
  const found: { path: string; writer: SigningStream }[] = [];
  const paths = new Set(streams.flatMap(({ stream }) => [INDEX_PATH, ...pointerPaths(stream)]));
  for (const path of paths) {
    const writers = streams.filter(({ stream }) => path === INDEX_PATH || pointerPaths(stream).includes(path));
    const [writer] = writers;
    if (!writer) continue;
    const [content, signature] = await target.readMany([path, signatureName(path)], task);
    if (!content) continue;
    const packets = signaturePacketsIn(signature);
    const good = await Promise.all(writers.map(({ signers }) => isSignedByAll(signers, content, packets, task)));
    if (!good.includes(true)) found.push({ path, writer });
  }
  return found;
}

/**
 * Signs again, where a signature is lost or a key has come since, what leads readers of the target to builds. What nobody
 * vouches for is made anew.
 */
export async function signPointersAgain(
  config: Config,
  streams: readonly SigningStream[],
  target: Target,
  task: Task,
): Promise<void> {
  for (const { path, writer } of await findUnsignedPointers(streams, target, task)) {
    const place = { ...writer, testedRef: writer.testedRef, config, signer: jointSigner(writer.signers) };
    const kind = path === INDEX_PATH ? 'index' : pointersOf(writer.stream).find(([, known]) => known === path)?.[0];
    if (kind) await SIGN_AGAIN[kind]({ path, place, target }, task);
  }
}

interface Again {
  readonly path: string;
  readonly place: PointerPlace;
  readonly target: Target;
}

/** Writes a pointer with the value it has, signed. */
const signedAgain =
  <Value>(
    format: RecordFormat<Value>,
    signing: (place: PointerPlace, target: Target, task: Task) => RecordSigning<Value> | undefined,
  ) =>
  ({ path, place, target }: Again, task: Task) =>
    updateRecord({ path, format }, (old) => old, target, task, signing(place, target, task));

const SIGN_AGAIN: Readonly<Record<PointerKind | 'index', (again: Again, task: Task) => Promise<unknown>>> = {
  index: signedAgain(BUILD_INDEX, indexSigning),
  metadata: signedAgain(STREAM_METADATA, streamMetadataSigning),
  tested: signedAgain(TESTED_POINTER, testedSigning),
  boxes: signedAgain(BOX_CATALOGUE, boxSigning),
  latest: signedAgain(LATEST_POINTER, latestSigning),
  releases: signedAgain(RELEASE_INDEX, releasesSigning),
};
