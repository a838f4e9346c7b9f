import pLimit from 'p-limit';
import { z } from 'zod';
import { sha256 } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import { readRecord, recordFormat } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import {
  buildId,
  count,
  fingerprint,
  imagePath,
  imagesWith,
  instant,
  refName,
  sha256Hex,
} from '../../build/record-values.ts';
import { filesOfImage } from '../../images/image.ts';
import { type CommitInfo, checkedObject, objectPath, parseCommit } from '../../ostree/objects.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import { buildFolder, recordPath } from '../../published/paths.ts';
import { parseSums } from '../../published/sha256sums.ts';
import type { PublicFiles } from './public-http.ts';
import { attempt, RECONCILE_HINT, type Report } from './verify-report.ts';

const META = recordFormat({
  schema: z.looseObject({
    buildid: buildId,
    ref: refName,
    'ostree-commit': sha256Hex.exactOptional(),
    'ostree-timestamp': instant,
    images: imagesWith({ path: imagePath, sha256: sha256Hex, size: count }).exactOptional(),
    'atomic-nightly.signed-by': z.array(fingerprint).exactOptional(),
  }),
  hint: RECONCILE_HINT,
});

/** A published build, as its record says. */
export interface PublishedBuild {
  readonly id: string;
  readonly arch: string;
  readonly commit?: string | undefined;
  readonly ref: string;
  /** Images by path relative to the target's root. */
  readonly images: ReadonlyMap<string, { readonly sha256: string; readonly size: number }>;
  /** Further files that its SHA256SUMS names, relative to the target's root. */
  readonly records: readonly string[];
  /** Fingerprints of the keys that signed its files; empty: they are not signed. */
  readonly signedBy: readonly string[];
}

export interface BuildsInspection {
  readonly files: PublicFiles;
  /** Whether commits are published there, too. */
  readonly hasTree: boolean;
  /** Commits that are known to be whole. */
  readonly commits: ReadonlyMap<string, CommitInfo>;
  /** Whether images are fetched and digested, too. */
  readonly imageContent: boolean;
  /** Images of builds from before may be gone: seconds since the epoch. */
  readonly imagesSince?: number;
}

/** Builds looked at side by side. */
const PARALLEL = 8;

/** Looks at each build that the index names: its record, its commit, its checksums, its images. */
export async function inspectBuilds(request: BuildsInspection, report: Report, task: Task): Promise<PublishedBuild[]> {
  const index = await attempt(report, 'builds.json', RECONCILE_HINT, task.signal, async () => {
    return readRecord(await required(request.files, INDEX_PATH), BUILD_INDEX, INDEX_PATH);
  });
  if (!index) return [];
  const named = index.builds.flatMap(({ id, arches }) => arches.map((arch) => ({ id, arch })));
  report.ok('builds.json', `names ${formatCount(named.length, 'build')}`);
  let done = 0;
  const found = await pLimit(PARALLEL).map(named, async ({ id, arch }) => {
    task.signal.throwIfAborted();
    const build = await attempt(report, `build ${id} ${arch}`, RECONCILE_HINT, task.signal, () =>
      inspectBuild(request, { id, arch }, report, task),
    );
    done += 1;
    task.progress(done, named.length, 'files');
    return build;
  });
  return found.filter((build) => build !== undefined);
}

async function inspectBuild(
  request: BuildsInspection,
  { id, arch }: { readonly id: string; readonly arch: string },
  report: Report,
  task: Task,
): Promise<PublishedBuild> {
  const folder = buildFolder(id, arch);
  const what = `build ${id} ${arch}`;
  const meta = readRecord(await required(request.files, recordPath(id, arch)), META, recordPath(id, arch));
  const commit = meta.ostreeCommit;
  const check = (part: string, look: () => Promise<string>) =>
    attempt(report, `${what}, ${part}`, RECONCILE_HINT, task.signal, async () => {
      report.ok(`${what}, ${part}`, await look());
    });
  let records: readonly string[] = [];
  if (meta.buildid !== id) report.fault(what, `its record is that of ${meta.buildid}`, RECONCILE_HINT);
  if (commit !== undefined && request.hasTree) await check('commit', () => commitFits(request, commit, id));
  const images = new Map(
    Object.values(meta.images ?? {})
      .flatMap(filesOfImage)
      .map(({ path, sha256: digest, size }) => [`${folder}/${path}`, { sha256: digest, size }]),
  );
  await check(SUMS, async () => {
    records = await recordsOfSums(request.files, folder, images);
    return `fits ${RECORD_FILE} and ${records.length} records`;
  });
  const mayBeGone = Date.parse(meta.ostreeTimestamp) / 1000 < (request.imagesSince ?? 0);
  for (const [path, image] of images) {
    await check(path.slice(folder.length + 1), () => imageFits(request, path, { ...image, mayBeGone }, task));
  }
  const signedBy = meta.signedBy ?? [];
  return { id, arch, ref: meta.ref, images, records, signedBy, commit };
}

async function commitFits({ files, commits }: BuildsInspection, checksum: string, id: string): Promise<string> {
  const path = `repo/${objectPath(checksum, 'commit')}`;
  const bytes = commits.has(checksum) ? undefined : await files.get(path);
  if (!commits.has(checksum) && !bytes) {
    const tombstone = await files.size(`repo/objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.tombstone-commit`);
    if (tombstone !== undefined) return `${checksum.slice(0, 12)} was pruned`;
    throw new Error(`the repository has no commit ${checksum}`);
  }
  const commit =
    commits.get(checksum) ?? (bytes && parseCommit(checksum, checkedObject(bytes, checksum, 'commit', path)));
  if (commit?.version !== id) throw new Error(`the commit ${checksum} has version ${commit?.version ?? 'none'}`);
  return `${checksum.slice(0, 12)} has the build's version`;
}

/**
 * Small records are digested; images must be listed with the digests of the record.
 * @returns the files that are no images
 */
async function recordsOfSums(
  files: PublicFiles,
  folder: string,
  images: PublishedBuild['images'],
): Promise<readonly string[]> {
  const text = new TextDecoder().decode(await required(files, `${folder}/${SUMS}`));
  const sums = new Map(
    parseSums(text, `${folder}/${SUMS}`).map((summed) => [`${folder}/${summed.path}`, summed.sha256]),
  );
  const faults: string[] = [];
  for (const [path, image] of images) {
    if (sums.get(path) !== image.sha256) faults.push(`${path}: ${RECORD_FILE} has another checksum`);
  }
  for (const [path, digest] of sums) {
    if (images.has(path) || !path.endsWith('.json')) continue;
    const bytes = await files.get(path);
    if (!bytes) faults.push(`${path} is not there`);
    else if (sha256(bytes) !== digest) faults.push(`${path} has another checksum`);
  }
  if (faults.length > 0) throw new Error(faults.join('; '));
  return [...sums.keys()].filter((path) => !images.has(path));
}

async function imageFits(
  { files, imageContent }: BuildsInspection,
  path: string,
  image: { readonly sha256: string; readonly size: number; readonly mayBeGone: boolean },
  task: Task,
): Promise<string> {
  const size = await files.size(path);
  if (size === undefined && image.mayBeGone) return 'was removed, as the retention says';
  if (size === undefined) throw new Error('is not there');
  if (size !== image.size) throw new Error(`has ${size} bytes, ${RECORD_FILE} says ${image.size}`);
  if (!imageContent) return `${size} bytes`;
  const found = await files.digest(path, (bytes) => task.progress(bytes, image.size, 'bytes'));
  if (found?.sha256 !== image.sha256)
    throw new Error(`has SHA-256 ${found?.sha256 ?? 'none'}, ${RECORD_FILE} says ${image.sha256}`);
  return `${size} bytes, SHA-256 right`;
}

async function required(files: PublicFiles, path: string): Promise<Uint8Array> {
  const bytes = await files.get(path);
  if (bytes) return bytes;
  throw new Error(`${path} is not there`);
}
