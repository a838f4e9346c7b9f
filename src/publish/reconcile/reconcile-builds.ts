import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow, isErrno, sizeIfThere } from '../../base/files.ts';
import { readRecordIfGood } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import { isPublishedState } from '../../build/outcomes.ts';
import { isBuildFolder, isPathBelow } from '../../build/record-values.ts';
import { filesOfImage } from '../../images/image.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import { folderOfKey, isSignatureName, signatureName, signedName } from '../../published/paths.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import { contentEquals } from '../../targets/expect.ts';
import type { Target } from '../../targets/target.ts';
import type { PublicFiles } from '../verify/public-http.ts';
import { compareFile } from './compare-file.ts';
import type { IndexedBuild, ReconcileFile, ReconcilePhase, ReconcilePlan, Unrepairable } from './reconcile-plan.ts';
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
  const { work, target, files, hasCommit } = request;
  const listed = new Map<string, number>();
  for await (const { path, bytes } of listOrNothing(target, 'builds', task)) listed.set(path, bytes);
  const { trust } = request;
  const [content, signed] = await target.readMany([INDEX_PATH, signatureName(INDEX_PATH)], task);
  const isBelieved = content && (!trust || (await trust.believes(INDEX_PATH, content, signed)));
  const named = isBelieved ? namedIn(content) : undefined;
  const unrepairable: Unrepairable[] = [];
  const [images, records, signatures]: [ReconcileFile[], ReconcileFile[], ReconcileFile[]] = [[], [], []];
  const wanted = new Map<string, Meta>();
  const known = new Set<string>();
  const copies = { root: work, there: (path: string) => listed.get(path), files };
  const compareSigned = async (path: string): Promise<ReconcileFile | undefined> => {
    const signature = signatureName(path);
    known.add(signature);
    const fault = await compareFile(copies, path);
    const bytes = await sizeIfThere(join(work, signature));
    // Of one size whatever it signs, so it goes with a file that is not the same.
    const other = fault && bytes !== undefined && ({ path: signature, bytes, why: 'content' } as const);
    const found = other || (await compareFile(copies, signature));
    if (found) signatures.push(found);
    return fault;
  };
  const local = (await filesBelow(join(work, 'builds')))
    .flatMap((path) => /^([^/]+\/[^/]+)\/meta\.json$/.exec(path)?.[1] ?? [])
    .filter(isBuildFolder);
  for (const build of local) {
    const meta = readMeta(await readFile(join(work, 'builds', build, RECORD_FILE)), build);
    const commit = meta?.ostreeCommit;
    const released = isReleasedThere(meta, request.releasesOf);
    const published = meta?.published?.includes(target.name) || released;
    if (!meta || commit === undefined || !isPublishedState(meta.state ?? '')) continue;
    if (!hasCommit(commit) || !(published || named?.has(build))) continue;
    if (meta.pendingImages !== undefined && !(await isWholeHere(build, meta, request, task))) continue;
    wanted.set(build, meta);
    const isOld = Date.parse(meta.ostreeTimestamp) / 1000 < (request.imagesSince ?? 0);
    for (const { path: name, size } of Object.values(meta.images ?? {}).flatMap(filesOfImage)) {
      const path = `${folderOfKey(build)}/${name}`;
      known.add(path);
      if (isOld && !listed.has(path)) continue;
      const fault = await compareSigned(path);
      if (fault) images.push(fault);
      else if (listed.get(path) !== size && (await sizeIfThere(join(work, path))) === undefined) {
        const why = `${listed.has(path) ? `it has ${listed.get(path)} bytes instead of ${size}` : 'it is not there'}, and ${work} no longer has it`;
        const hint = 'Make it again: "atomic-nightly images", with the id of the build.';
        unrepairable.push({ what: path, why, hint });
      }
    }
    const notes = released ? await releaseFiles(join(work, 'builds', build)) : [];
    const told = [...notes, ...(meta.rebuilds ?? []).map(({ statement }) => statement)];
    for (const name of [...(await summedFiles(join(work, 'builds', build))), ...told, SUMS, RECORD_FILE]) {
      const path = `${folderOfKey(build)}/${name}`;
      if (known.has(path)) continue;
      known.add(path);
      const fault = await compareSigned(path);
      if (fault) records.push(fault);
    }
  }
  await addAltered([...wanted.keys()], { work, target, trust, listed }, { records, signatures }, task);
  const skip = new Set(wanted.keys());
  const others = named
    ? new Map<string, Meta>()
    : await buildsOfOthers({ target, trust, listed, hasCommit, skip }, unrepairable, task);
  const missing = [...wanted, ...others].filter(([build]) => !named?.has(build)).sort(([a], [b]) => (a < b ? -1 : 1));
  const isForeign = (path: string): boolean => {
    const [, build, name] = IN_BUILD.exec(path) ?? [];
    if (build === undefined || name === undefined) return !OWN.test(path);
    return (
      wanted.has(build) && !known.has(path) && !/^(logs|images)\/|^(journal\.ndjson|(index|review)\.html)$/.test(name)
    );
  };
  return {
    phases: [
      { name: 'signatures of files', files: signatures },
      { name: 'images', files: images },
      { name: 'records', files: records },
    ],
    index: missing.map(([build, meta]) => indexed(build, meta)),
    remove: content && !named ? [INDEX_PATH] : [],
    unrepairable,
    foreign: [...listed.keys()].filter(isForeign).sort(),
    files: listed.size,
  };
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

/** Returns the texts of a release, without its own records and the mail; signatures go with their files. */
async function releaseFiles(folder: string): Promise<string[]> {
  const names = await filesBelow(join(folder, 'release'));
  const isSent = (name: string): boolean => !/^logs\/|\.(eml|ndjson)$/.test(name);
  const isSignature = (name: string): boolean => isSignatureName(name) && names.includes(signedName(name));
  return names.filter((name) => isSent(name) && !isSignature(name)).map((name) => `release/${name}`);
}

function namedIn(content: Uint8Array): Set<string> | undefined {
  const index = readRecordIfGood(content, BUILD_INDEX);
  return index && new Set(index.builds.flatMap(({ id, arches }) => arches.map((arch) => `${id}/${arch}`)));
}

/** Returns the files that a build's SHA256SUMS names, without the images. */
async function summedFiles(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, SUMS), 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  });
  const paths = text.split('\n').flatMap((line) => /^[0-9a-f]{64} {2}(.+)$/.exec(line)?.[1] ?? []);
  return paths.filter(isPathBelow);
}
