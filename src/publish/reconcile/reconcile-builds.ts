import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { filesBelow, ifThere, isErrno, sizeIfThere } from '../../base/files.ts';
import { type RecordOf, readRecordIfGood, recordFormat } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import { isPublishedState } from '../../build/outcomes.ts';
import {
  buildId,
  count,
  imagePath,
  instant,
  isBuildFolder,
  isPathBelow,
  sha256Hex,
  word,
} from '../../build/record-values.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import { folderOfKey, isSignatureName, signatureName, signedName } from '../../published/paths.ts';
import { NOT_SIGNED, type RecordTrust } from '../../published/record-trust.ts';
import { contentEquals } from '../../targets/expect.ts';
import type { Target } from '../../targets/target.ts';
import type { PublicFiles } from '../verify/public-http.ts';
import { compareFile } from './compare-file.ts';
import type { IndexedBuild, ReconcileFile, ReconcilePhase, ReconcilePlan, Unrepairable } from './reconcile-plan.ts';
import { listOrNothing } from './repo-listing.ts';

/** What of a record decides what is to be there. Whoever has read one wrong sends nothing and removes nothing for it. */
const META = recordFormat({
  schema: z.looseObject({
    buildid: buildId.exactOptional(),
    'ostree-commit': sha256Hex.exactOptional(),
    'ostree-timestamp': instant,
    'atomic-nightly.state': z.string().exactOptional(),
    'atomic-nightly.published': z.array(word).exactOptional(),
    'atomic-nightly.pending-images': z.array(word).exactOptional(),
    'atomic-nightly.stream': word.exactOptional(),
    'atomic-nightly.release': z.looseObject({}).exactOptional(),
    'atomic-nightly.retracted': z.looseObject({ by: buildId, reason: z.string() }).exactOptional(),
    images: z.record(word, z.looseObject({ path: imagePath, size: count })).exactOptional(),
  }),
  hint: '',
});

type Meta = RecordOf<typeof META>;

export interface BuildsRequest {
  /** Has `builds/`. */
  readonly work: string;
  readonly target: Target;
  /** Whether the target has, or will have, a commit. */
  readonly hasCommit: (commit: string) => boolean;
  /** Names of streams whose builds come there once they are released. */
  readonly releasesOf?: readonly string[];
  /** Images of builds from before stay away if they are: seconds since the epoch. */
  readonly imagesSince?: number;
  readonly files?: PublicFiles;
  /** Judges the index and the records before they decide anything; without it, all are believed. */
  readonly trust?: RecordTrust;
}

export interface BuildsComparison {
  readonly phases: readonly ReconcilePhase[];
  readonly index: ReconcilePlan['index'];
  readonly remove: readonly string[];
  readonly unrepairable: readonly Unrepairable[];
  readonly foreign: readonly string[];
  readonly files: number;
}

/** `<id>/<arch>`, and a file in it. */
const IN_BUILD = /^builds\/(\d{8}_\d{2,}\/[\w.-]+)\/(.+)$/;
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
  const copies = { root: work, there: (path: string) => listed.get(path), ...(files ? { files } : {}) };
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
    const meta = parsed(await readFile(join(work, 'builds', build, RECORD_FILE)), build);
    const commit = meta?.ostreeCommit;
    const released = isReleasedThere(meta, request.releasesOf);
    const published = meta?.published?.includes(target.name) || released;
    if (!meta || commit === undefined || !isPublishedState(meta.state ?? '')) continue;
    if (!hasCommit(commit) || !(published || named?.has(build))) continue;
    // Several machines made it: what the target has of it may be newer than what is here.
    if (meta.pendingImages !== undefined) continue;
    wanted.set(build, meta);
    const isOld = Date.parse(meta.ostreeTimestamp) / 1000 < (request.imagesSince ?? 0);
    for (const { path: name, size } of Object.values(meta.images ?? {})) {
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
    for (const name of [...(await summedFiles(join(work, 'builds', build))), ...notes, SUMS, RECORD_FILE]) {
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
    return wanted.has(build) && !known.has(path) && !/^(logs|images)\/|^(journal\.ndjson|index\.html)$/.test(name);
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
 * Adds the records and checksums of builds that have the right size there and other bytes than here, where records are judged:
 * what nobody signed, or what was signed of another build, is damage.
 */
async function addAltered(
  builds: readonly string[],
  {
    work,
    target,
    trust,
    listed,
  }: Pick<BuildsRequest, 'work' | 'target'> & {
    readonly trust: RecordTrust | undefined;
    readonly listed: ReadonlyMap<string, number>;
  },
  found: { readonly records: ReconcileFile[]; readonly signatures: ReconcileFile[] },
  task: Task,
): Promise<void> {
  if (!trust) return;
  const due = new Set([...found.records, ...found.signatures].map(({ path }) => path));
  const paths = builds
    .flatMap((build) => [RECORD_FILE, SUMS].map((name) => `${folderOfKey(build)}/${name}`))
    .filter((path) => listed.has(path) && !due.has(path));
  const files = paths.flatMap((path) => [path, signatureName(path)]);
  const contents = await target.readMany(files, task);
  for (const [index, path] of files.entries()) {
    const local = await ifThere(readFile(join(work, path)));
    if (!local || contentEquals(contents[index], local) || due.has(path)) continue;
    const list = isSignatureName(path) ? found.signatures : found.records;
    list.push({ path, bytes: local.length, why: listed.has(path) ? 'content' : 'missing' });
  }
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

/**
 * Returns the builds that another machine published: their records there say which commit they have. One that is not believed
 * is named and left out.
 */
async function buildsOfOthers(
  {
    target,
    trust,
    listed,
    hasCommit,
    skip,
  }: {
    target: Target;
    trust: RecordTrust | undefined;
    listed: ReadonlyMap<string, number>;
    hasCommit: (commit: string) => boolean;
    skip: ReadonlySet<string>;
  },
  unrepairable: Unrepairable[],
  task: Task,
): Promise<Map<string, Meta>> {
  const builds = [...listed.keys()].flatMap((path) => {
    const [, build, name] = IN_BUILD.exec(path) ?? [];
    return build !== undefined && isBuildFolder(build) && name === RECORD_FILE && !skip.has(build) ? [build] : [];
  });
  const paths = builds.map((build) => `${folderOfKey(build)}/${RECORD_FILE}`);
  const contents = await target.readMany([...paths, ...(trust ? paths.map(signatureName) : [])], task);
  const found = new Map<string, Meta>();
  for (const [index, build] of builds.entries()) {
    const [content, path = ''] = [contents[index], paths[index]];
    const meta = parsed(content, build);
    const commit = meta?.ostreeCommit;
    if (!content || !meta || commit === undefined || !hasCommit(commit)) continue;
    if (trust && !(await trust.believes(path, content, contents[paths.length + index]))) {
      const hint = 'Find out who wrote it; the machine that made the build can publish it again.';
      unrepairable.push({ what: path, why: `${NOT_SIGNED}, so the index does not name that build`, hint });
    } else found.set(build, meta);
  }
  return found;
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

/** Undefined for a record that is damaged, or another build's. */
function parsed(content: Uint8Array | undefined, build: string): Meta | undefined {
  const meta = readRecordIfGood(content, META);
  return meta && (meta.buildid === undefined || build.startsWith(`${meta.buildid}/`)) ? meta : undefined;
}
