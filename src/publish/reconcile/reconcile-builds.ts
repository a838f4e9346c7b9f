import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow } from '../../base/files.ts';
import { readRecordIfGood } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE } from '../../build/build-files.ts';
import { isPublishedState } from '../../build/outcomes.ts';
import { isBuildFolder } from '../../build/record-values.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import { folderOfKey, signatureName } from '../../published/paths.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import { contentEquals } from '../../targets/expect.ts';
import type { Target } from '../../targets/target.ts';
import type { PublicFiles } from '../verify/public-http.ts';
import { type BuildFindings, type BuildHere, compareBuild } from './compare-build.ts';
import type { IndexedBuild, ReconcilePhase, ReconcilePlan, Unrepairable } from './reconcile-plan.ts';
import { addAltered, buildsOfOthers, IN_BUILD, type Meta, readMeta } from './records-there.ts';
import { listOrNothing } from './repo-listing.ts';

export interface BuildsRequest {
  /** Has `builds/`. */
  readonly work: string;
  readonly target: Target;
  /** Whether the target has, or will have, a commit. */
  readonly hasCommit: (commit: string) => boolean;
  /** Names of streams whose builds come there once they are released. */
  readonly releasesOf?: readonly string[] | undefined;
  /** Images of builds from before stay away if they are: seconds since the epoch. */
  readonly imagesSince?: number | undefined;
  readonly files?: PublicFiles;
  /** Judges the index and the records before they decide anything; without it, all are believed. */
  readonly trust?: RecordTrust | undefined;
}

export interface BuildsComparison {
  readonly phases: readonly ReconcilePhase[];
  readonly index: ReconcilePlan['index'];
  readonly remove: readonly string[];
  readonly unrepairable: readonly Unrepairable[];
  readonly foreign: readonly string[];
  readonly files: number;
}

const OWN = /^builds\/(builds|promoted|retired)\.json(\.asc)?$/;

/**
 * Compares the records and images of builds with the local ones, by name and size; a build is to be there if it was
 * published and the target has its commit. Lists `builds/` once.
 */
export async function compareBuilds(request: BuildsRequest, task: Task): Promise<BuildsComparison> {
  const { work, target, files, trust, hasCommit } = request;
  const listed = new Map<string, number>();
  for await (const { path, bytes } of listOrNothing(target, 'builds', task)) listed.set(path, bytes);
  const index = await readIndexThere(request, task);
  const found: BuildFindings = { images: [], records: [], signatures: [], unrepairable: [], known: new Set() };
  const wanted = new Map<string, Meta>();
  for (const build of await localBuilds(work)) {
    const here = await toBeThere(build, index.named, request, task);
    if (!here) continue;
    wanted.set(build, here.meta);
    await compareBuild(here, { root: work, there: (path) => listed.get(path), files }, found);
  }
  await addAltered([...wanted.keys()], { work, target, trust, listed }, found, task);
  const skip = new Set(wanted.keys());
  const others = index.named
    ? new Map<string, Meta>()
    : await buildsOfOthers({ target, trust, listed, hasCommit, skip }, found.unrepairable, task);
  const missing = [...wanted, ...others]
    .filter(([build]) => !index.named?.has(build))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    phases: [
      { name: 'signatures of files', files: found.signatures },
      { name: 'images', files: found.images },
      { name: 'records', files: found.records },
    ],
    index: missing.map(([build, meta]) => indexed(build, meta)),
    remove: index.isThere && !index.named ? [INDEX_PATH] : [],
    unrepairable: found.unrepairable,
    foreign: [...listed.keys()].filter((path) => isForeign(path, wanted, found.known)).sort(),
    files: listed.size,
  };
}

/** Reads the index of the target. `named` has its builds, as `ID/ARCH`; undefined for one that cannot be believed or read. */
async function readIndexThere(
  { target, trust }: BuildsRequest,
  task: Task,
): Promise<{ readonly isThere: boolean; readonly named?: ReadonlySet<string> | undefined }> {
  const [content, signed] = await target.readMany([INDEX_PATH, signatureName(INDEX_PATH)], task);
  if (!content) return { isThere: false };
  const isBelieved = !trust || (await trust.believes(INDEX_PATH, content, signed));
  return { isThere: true, named: isBelieved ? namedIn(content) : undefined };
}

/** Returns the builds of a work folder that have a record, as `ID/ARCH`. */
async function localBuilds(work: string): Promise<string[]> {
  const files = await filesBelow(join(work, 'builds'));
  return files.flatMap((path) => /^([^/]+\/[^/]+)\/meta\.json$/.exec(path)?.[1] ?? []).filter(isBuildFolder);
}

/** Returns a local build with its record if the target is to have it. */
async function toBeThere(
  build: string,
  named: ReadonlySet<string> | undefined,
  request: BuildsRequest,
  task: Task,
): Promise<BuildHere | undefined> {
  const { work, target, hasCommit, releasesOf, imagesSince = 0 } = request;
  const meta = readMeta(await readFile(join(work, 'builds', build, RECORD_FILE)), build);
  const commit = meta?.ostreeCommit;
  const isReleased = isReleasedThere(meta, releasesOf);
  const isPublished = meta?.published?.includes(target.name) || isReleased;
  if (!meta || commit === undefined || !isPublishedState(meta.state ?? '')) return undefined;
  if (!hasCommit(commit) || !(isPublished || named?.has(build))) return undefined;
  if (meta.pendingImages !== undefined && !(await isWholeHere(build, meta, request, task))) return undefined;
  return { build, meta, isReleased, isOld: Date.parse(meta.ostreeTimestamp) / 1000 < imagesSince };
}

/** Whether a file below `builds/` is none of ours. Of a build that is not here nothing can be said. */
function isForeign(path: string, wanted: ReadonlyMap<string, Meta>, known: ReadonlySet<string>): boolean {
  const [, build, name] = IN_BUILD.exec(path) ?? [];
  if (build === undefined || name === undefined) return !OWN.test(path);
  return (
    wanted.has(build) && !known.has(path) && !/^(logs|images)\/|^(journal\.ndjson|(index|review)\.html)$/.test(name)
  );
}

function indexed(build: string, { retracted }: Meta): IndexedBuild {
  const [id = '', arch = ''] = build.split('/');
  return { id, arch, ...(retracted ? { retracted: { by: retracted.by, reason: retracted.reason } } : {}) };
}

/**
 * Several machines made it, so what the target has of it may be newer than what is here: it is repaired where the record here
 * lacks nothing, and the target has the same one, or none that can be believed.
 */
async function isWholeHere(
  build: string,
  { pendingImages }: Meta,
  { work, target, trust }: BuildsRequest,
  task: Task,
): Promise<boolean> {
  if (pendingImages?.length !== 0) return false;
  const path = `${folderOfKey(build)}/${RECORD_FILE}`;
  const [there, signature] = await target.readMany(trust ? [path, signatureName(path)] : [path], task);
  if (!there || contentEquals(there, await readFile(join(work, path)))) return true;
  return (
    readMeta(there, build) === undefined || (trust !== undefined && !(await trust.believes(path, there, signature)))
  );
}

/** Whether a build came to a target by its release. */
function isReleasedThere(meta: Meta | undefined, releasesOf: readonly string[] = []): boolean {
  return meta?.release !== undefined && releasesOf.includes(meta.stream ?? '');
}

function namedIn(content: Uint8Array): Set<string> | undefined {
  const index = readRecordIfGood(content, BUILD_INDEX);
  return index && new Set(index.builds.flatMap(({ id, arches }) => arches.map((arch) => `${id}/${arch}`)));
}
