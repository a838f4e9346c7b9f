import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ifThere, readTextIfExists, sha256File, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import {
  ADVISORIES_FILE,
  BUNDLE_FILE,
  PROVENANCE_FILE,
  RECORD_FILE,
  SBOM_FILE,
  SIGNATURES_FILE,
  SIGSUM_FILE,
  STATEMENT_FILE,
  SUMS,
  TESTS_FILE,
  TREEFILE_ARCHIVE,
} from '../../build/build-files.ts';
import { comparePlaced, type Placed } from '../../build/build-id.ts';
import { readMeta } from '../../build/build-store.ts';
import { isPublishedState } from '../../build/outcomes.ts';
import { statementsOf } from '../../build/rebuilds.ts';
import { getsTree } from '../../config/lookup.ts';
import { withTemplates } from '../../images/image.ts';
import type { ImageTemplate } from '../../images/template/image-template.ts';
import { publishFiles, remadeImages, updateRecord } from '../../publish/publish-files.ts';
import type { IndexedBuild } from '../../publish/reconcile/reconcile-plan.ts';
import { swapWithRetry } from '../../publish/swap-with-retry.ts';
import { BUILD_INDEX, type BuildIndex, INDEX_PATH, type IndexEntry } from '../../published/build-index.ts';
import { signatureName } from '../../published/paths.ts';
import type { RecordSigning } from '../../published/record-trust.ts';
import { formatSums, parseSums, type Summed } from '../../published/sha256sums.ts';
import { readTargetRecord } from '../../published/target-record.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { targetsClock } from '../compose/clock.ts';
import { changeShared, type SharedRecord } from '../images/shared-record.ts';
import { logBuildHere } from '../log/log-build.ts';
import { publishBoxes } from './box-catalogue.ts';
import type { PublishedBuilds } from './published-builds.ts';
import { type PointerPlace, recordSigning } from './record-signing.ts';
import { signRecord } from './sign-files.ts';
import { publishStreamMetadata } from './stream-metadata.ts';

export { type BuildIndex, INDEX_PATH };

/** The records of every build that never change once its commit is made; they and the images are in SHA256SUMS. */
export const FIXED_RECORDS = ['lockfile.json', 'treefile.json', 'diff.json'] as const;

/**
 * Records that a build has if its tree says what it is made of, if its treefile can be published, and if repositories have
 * updateinfo.
 */
export const FURTHER_RECORDS = [
  PROVENANCE_FILE,
  SIGNATURES_FILE,
  SBOM_FILE,
  STATEMENT_FILE,
  BUNDLE_FILE,
  SIGSUM_FILE,
  TREEFILE_ARCHIVE,
  ADVISORIES_FILE,
] as const;

/** Returns the fixed records that a build has. */
export function fixedRecords(build: Pick<Build, 'paths'>): string[] {
  return [...FIXED_RECORDS, ...(furtherRecords(build).records ?? [])];
}

/** Returns the records that not every build has, as a part of what steps depend on; empty where there are none. */
export function furtherRecords({ paths: { dir } }: Pick<Build, 'paths'>): { readonly records?: readonly string[] } {
  const records = FURTHER_RECORDS.filter((name) => existsSync(join(dir, name)));
  return records.length === 0 ? {} : { records };
}

/** Build ids that a target's index names. An absent index names none. @throws NightlyError `unsupported` when it is damaged. */
export async function publishedBuildIds(target: Target, task: Task): Promise<string[]> {
  const content = await target.read(INDEX_PATH, task);
  if (!content) return [];
  return readTargetRecord(content, BUILD_INDEX, INDEX_PATH, target).builds.map(({ id }) => id);
}

/** SHA-256 of files of a build (paths relative to its folder). */
export async function checksumsOf(
  { paths: { dir } }: Pick<Build, 'paths'>,
  files: readonly string[],
): Promise<Summed[]> {
  const sums: Summed[] = [];
  for (const path of files) sums.push({ sha256: await sha256File(join(dir, path)), path });
  return sums;
}

/** Writes SHA256SUMS of a build, in the form `sha256sum -c` reads. */
export async function writeSums({ paths: { dir } }: Pick<Build, 'paths'>, sums: readonly Summed[]): Promise<void> {
  await writeFileAtomic(join(dir, SUMS), formatSums(sums));
}

/** What the SHA256SUMS of a build names. An absent one names nothing. @throws NightlyError `record` */
export async function readSums({ paths: { dir } }: Pick<Build, 'paths'>): Promise<readonly Summed[]> {
  return parseSums((await readTextIfExists(join(dir, SUMS))) ?? '');
}

/** What is published of a build. */
export interface Publication {
  /** What never changes once it is made, with its digests: fixed records and images; paths relative to the build's folder. */
  readonly files: readonly Summed[];
  /** Records that say how it was made: the journal, logs. */
  readonly logs: readonly string[];
  /** Image types by which clients are led to the images that the record has. */
  readonly templates: readonly ImageTemplate[];
  /**
   * Where other machines work on the build too: puts what this one made into the record that the target has, undefined when
   * it has none. Absent: the record is the one here.
   */
  readonly merge?: ((there: SharedRecord | undefined) => SharedRecord) | undefined;
  /** What a release tells, which is there already; paths relative to the build's folder. */
  readonly told?: readonly string[];
}

/**
 * Sends a build's images, records and logs to a target; then names the images where clients look for them (the box
 * catalogue, the stream's metadata), and last the build in the index. Where the stream signs, each has its signature.
 * Running it again changes nothing.
 * @returns the record that the target has then
 * @throws NightlyError `target-differs`, `target-moved`, `locked`, `signing`, `clock`; whatever `merge` throws.
 */
export async function publishBuild(
  project: Project,
  build: Build,
  target: Target,
  { files, logs, templates, merge, told }: Publication,
  task: Task,
): Promise<SharedRecord> {
  const { config, signer } = project;
  await targetsClock(config, task.signal);
  const folder = relative(config.work, build.paths.dir);
  const inRoot = (file: string) => `${folder}/${file}`;
  const names = files.map(({ path }) => path);
  // What vouches for a file is there before the file (I2).
  const signatures = signer ? names.map((name) => inRoot(signatureName(name))) : [];
  await target.send(config.work, signatures, { immutable: false }, task);
  const remade = await remadeImages(folder, files, target, task);
  await publishFiles(config.work, { fixed: names.map(inRoot), remade, records: logs.map(inRoot) }, target, task);
  if (merge === undefined) await publishRecords(project, build, target, task, told);
  const record = merge
    ? await changeShared(project, build.paths, merge, target, task)
    : { meta: await readMeta(build.paths), sums: await readSums(build) };
  const images = withTemplates(templates, record.meta.images);
  await publishBoxes(project, build, target, images, task);
  await publishStreamMetadata(project, build, target, images, task);
  const named = (index: BuildIndex | undefined) => withBuild(index, build.id, project.stream.arch);
  const signing = indexSigning(project, target, task);
  await updateRecord({ path: INDEX_PATH, format: BUILD_INDEX }, named, target, task, signing);
  return record;
}

/** Returns the journal, the results of tests, and all logs of a build; on a machine that makes only images of it, the logs of these types. */
export async function logsOf(
  { paths: { dir, logs } }: Pick<Build, 'paths'>,
  types?: readonly string[],
): Promise<string[]> {
  const names = (await ifThere(readdir(logs))) ?? [];
  const isOfType = (name: string) =>
    types?.some((type) => /^(image|smoke-test|test)-/.test(name) && name.includes(`-${type}.`));
  const sent = types === undefined ? names : names.filter(isOfType);
  const others = ['journal.ndjson', TESTS_FILE].filter((name) => existsSync(join(dir, name)));
  return [...(types === undefined ? others : []), ...sent.map((name) => `logs/${name}`)];
}

/** Who signs it, and what it is made from: the records of all builds whose commit the target has. */
export function indexSigning(
  place: Pick<PointerPlace, 'config' | 'signer'>,
  target: Target,
  task: Task,
): RecordSigning<BuildIndex> | undefined {
  const hasTree = getsTree(place.config, target.name);
  const anew = async (builds: PublishedBuilds): Promise<BuildIndex | undefined> => {
    const metas = (hasTree ? await builds.withCommits() : builds.there).filter(({ state }) => isPublishedState(state));
    if (metas.length === 0) return undefined;
    const named = metas.map(({ buildid: id, basearch: arch, retracted }) => ({
      id,
      arch,
      ...(retracted ? { retracted: { by: retracted.by, reason: retracted.reason } } : {}),
    }));
    return withBuilds(undefined, named);
  };
  return recordSigning(place, target, anew, task);
}

/** Records that a later attempt at the build may write again: each goes right behind its signature. */
const SIGNED_RECORDS = [SUMS, RECORD_FILE] as const;

/** Sends a build's checksums and its record as they are now, where the stream signs each right behind its signature. */
export async function publishRecords(
  { config, signer }: Project,
  { paths }: Pick<Build, 'paths'>,
  target: Target,
  task: Task,
  told?: readonly string[],
): Promise<void> {
  const { dir } = paths;
  const folder = relative(config.work, dir);
  // With a signature that is made now, where one is due.
  if (signer) await signRecord(dir, signer, task);
  await logBuildHere(config, paths, { signed: signer !== undefined, told }, target, task);
  const statements = statementsOf(await readMeta(paths)).map((name) => `${folder}/${name}`);
  if (statements.length > 0) await target.send(config.work, statements, { immutable: true }, task);
  if (!signer) {
    const records = SIGNED_RECORDS.map((name) => `${folder}/${name}`);
    await target.send(config.work, records, { immutable: false }, task);
    return;
  }
  const names = SIGNED_RECORDS.flatMap((name) => [signatureName(name), name]);
  const put = await Promise.all(
    names.map(async (name) => ({ path: `${folder}/${name}`, content: await readFile(join(dir, name)) })),
  );
  await swapWithRetry(async () => ({ expect: [], put }), target, task);
}

/** The same for those of the targets that have the build's record: what they have is to be what is here (I14). */
export async function renewRecords(
  project: Project,
  build: Pick<Build, 'paths'>,
  targets: readonly Target[],
  task: Task,
): Promise<void> {
  const record = relative(project.config.work, build.paths.meta);
  for (const target of targets) {
    if ((await target.read(record, task)) !== undefined) await publishRecords(project, build, target, task);
  }
}

/** Returns the index with a build in it; unchanged when it is there for that architecture already. */
export function withBuild(index: BuildIndex | undefined, id: string, arch: string): BuildIndex {
  const builds = index?.builds ?? [];
  const there = builds.find((build) => build.id === id);
  const arches = there?.arches ?? [];
  if (index && arches.includes(arch)) return index;
  const others = builds.filter((build) => build.id !== id);
  return indexOf([...others, { ...there, id, arches: [...arches, arch] }]);
}

/** The index with builds marked as taken back; unchanged when they are, or are not there. */
export function withRetracted(
  index: BuildIndex,
  ids: readonly string[],
  retracted: { readonly by: string; readonly reason: string },
): BuildIndex {
  const isDue = (one: IndexEntry): boolean =>
    ids.includes(one.id) && (one.retracted?.by !== retracted.by || one.retracted.reason !== retracted.reason);
  if (!index.builds.some(isDue)) return index;
  return indexOf(index.builds.map((one) => (isDue(one) ? { ...one, retracted } : one)));
}

function indexOf(builds: readonly IndexEntry[]): BuildIndex {
  const place = ({ id, retracted }: IndexEntry): Placed => ({ id, retractedBy: retracted?.by });
  return {
    schemaVersion: '1.0.0',
    builds: builds.toSorted((a, b) => comparePlaced(place(b), place(a))),
    timestamp: new Date().toISOString(),
  };
}

/** Returns the index with several builds in it, marked as taken back where their records say so. */
export function withBuilds(index: BuildIndex | undefined, builds: readonly IndexedBuild[]): BuildIndex {
  const empty: BuildIndex = { schemaVersion: '1.0.0', builds: [], timestamp: new Date().toISOString() };
  const named = builds.reduce((all, { id, arch }) => withBuild(all, id, arch), index ?? empty);
  const marked = builds.flatMap(({ id, retracted }) => (retracted ? [{ id, retracted }] : []));
  return marked.reduce((all, { id, retracted }) => withRetracted(all, [id], retracted), named);
}
