import { mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import pLimit from 'p-limit';
import { NightlyError } from '../base/errors.ts';
import { isErrno, makeFolder, readRegular, readTextIfExists, writeFileAtomic, writeJson } from '../base/files.ts';
import { oneLine } from '../base/one-line.ts';
import { isUnreadable, unreadable } from '../base/unreadable.ts';
import { approvalsOrNone } from './approvals.ts';
import { RECORD_FILE } from './build-files.ts';
import { compareBuildIds, comparePlaced, isBuildId, nextBuildId, type Placed } from './build-id.ts';
import type { BuildMeta } from './build-record.ts';
import { buildMetaText, readBuildMeta, readStepTimes } from './build-record-format.ts';
import { isArchitecture } from './record-values.ts';

/** Paths of one build: `builds/<id>/<arch>/…`. */
export interface BuildPaths {
  readonly id: string;
  readonly dir: string;
  readonly meta: string;
  /** The part of the record that is known only when everything is done, and so cannot be in what is published. */
  readonly steps: string;
  /** Who approved it, until it is released and the record says so. */
  readonly approvals: string;
  readonly journal: string;
  readonly lockfile: string;
  readonly treefile: string;
  /** Folder with a copy of the treefile and all its files. */
  readonly treefileCopy: string;
  readonly diff: string;
  readonly logs: string;
  readonly images: string;
  /** What a release tells, and its journal: there as soon as anything of it may be public. */
  readonly release: string;
  /** Only on a machine that has the build from a target: from where and since when. */
  readonly fetched: string;
  readonly scratch: string;
}

/** Returns the files of a build; nothing is made. */
export function buildPaths(workDir: string, id: string, arch: string): BuildPaths {
  const dir = join(workDir, 'builds', id, arch);
  return {
    id,
    dir,
    meta: join(dir, RECORD_FILE),
    steps: join(dir, 'steps.json'),
    approvals: join(dir, 'approvals.json'),
    journal: join(dir, 'journal.ndjson'),
    lockfile: join(dir, 'lockfile.json'),
    treefile: join(dir, 'treefile.json'),
    treefileCopy: join(dir, 'treefile'),
    diff: join(dir, 'diff.json'),
    logs: join(dir, 'logs'),
    images: join(dir, 'images'),
    release: join(dir, 'release'),
    fetched: join(dir, 'fetched.json'),
    scratch: join(workDir, 'scratch', id),
  };
}

/**
 * Takes the next build id of the UTC day by making its folder exclusively (I3). Ids that the targets' indexes name are
 * taken too, so a lost work folder does not give them out again.
 */
export async function reserveBuildId(workDir: string, now: Date, published: readonly string[]): Promise<string> {
  const folder = join(workDir, 'builds');
  await makeFolder(folder);
  for (;;) {
    const id = nextBuildId(now, [...(await readdir(folder)), ...published]);
    try {
      await mkdir(join(folder, id));
      return id;
    } catch (error) {
      // Somebody made the same folder since it was listed: look again.
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }
}

/** Returns every build id that was ever reserved here, newest first. */
export async function listBuildIds(workDir: string): Promise<string[]> {
  try {
    const names = await readdir(join(workDir, 'builds'));
    return names.filter(isBuildId).sort((a, b) => compareBuildIds(b, a));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** A build found in the work folder: its paths and its record. */
export interface StoredBuild {
  readonly paths: BuildPaths;
  readonly meta: BuildMeta;
}

/** Returns where a build stands among the others. */
export function placeOf(meta: Pick<BuildMeta, 'buildid' | 'retracted'>): Placed {
  return { id: meta.buildid, retractedBy: meta.retracted?.by };
}

/** A build of which only its id is known: its record cannot be read. */
export interface DamagedBuild {
  readonly id: string;
  /** Undefined where its folder is none. */
  readonly arch?: string;
  /** Code `record`: what is wrong, with the file as its place. */
  readonly error: NightlyError;
}

/** Builds looked at side by side: each has a file open. */
const PARALLEL = 16;

/** What is in `builds/`, newest first. */
export interface BuildSurvey {
  readonly builds: readonly StoredBuild[];
  readonly damaged: readonly DamagedBuild[];
}

/**
 * All builds with a record; those whose record is damaged apart (I15). A folder without one was reserved by a run killed
 * within milliseconds.
 */
export async function surveyBuilds(workDir: string): Promise<BuildSurvey> {
  const found = await pLimit(PARALLEL).map(await listBuildIds(workDir), (id) => surveyBuild(workDir, id));
  const builds = found.flatMap((one) => one.builds).sort((a, b) => comparePlaced(placeOf(b.meta), placeOf(a.meta)));
  return { builds, damaged: found.flatMap((one) => one.damaged) };
}

/** The builds of one id, one for each architecture. */
export async function surveyBuild(workDir: string, id: string): Promise<BuildSurvey> {
  const folder = join(workDir, 'builds', id);
  const arches = await lookAt(folder, () => readdir(folder));
  if (arches instanceof NightlyError) return { builds: [], damaged: [{ id, error: arches }] };
  const [builds, broken]: [StoredBuild[], DamagedBuild[]] = [[], []];
  for (const arch of (arches ?? []).filter(isArchitecture)) {
    const paths = buildPaths(workDir, id, arch);
    const meta = await tryReadMeta(paths, arch);
    if (meta instanceof NightlyError) broken.push({ id, arch, error: meta });
    else if (meta) builds.push({ paths, meta: await withWhatIsBeside(paths, meta) });
  }
  return { builds, damaged: broken };
}

/** The record of a build without the times of its steps, or what is wrong with it; undefined when it has none. */
export async function tryReadMeta(
  { id, meta }: BuildPaths,
  arch: string,
): Promise<BuildMeta | NightlyError | undefined> {
  return lookAt(meta, async () => readBuildMeta(await readRegular(meta), { id, arch }, meta));
}

/** What is read of a file, or why it cannot be: damage to one is not to end what looks at all of them. */
async function lookAt<Result>(path: string, read: () => Promise<Result>): Promise<Result | NightlyError | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (error instanceof NightlyError && error.code === 'record') return error;
    if (isUnreadable(error)) return unreadable(path, error);
    throw error;
  }
}

/**
 * Fails closed for a decision that was made without the damaged records: the newest of something is not known to be it while
 * any newer build cannot be read. Older ones cannot change it, so damage to them stops nothing (I15).
 * @param since build id of the oldest build that was taken into account; undefined when none was found, so that each counts
 * @throws NightlyError `record`: the newest that is damaged.
 */
export function insistOnWhole({ damaged }: BuildSurvey, since: string | undefined): void {
  const unknown = damaged.find(({ id }) => since === undefined || compareBuildIds(id, since) >= 0);
  if (unknown) throw unknown.error;
}

/**
 * One build by its id, whatever is wrong with others.
 * @throws NightlyError `not-found`, `record` when it is damaged, `usage` when the text is not a build id.
 */
export async function findBuild(workDir: string, id: string): Promise<StoredBuild> {
  if (!isBuildId(id)) {
    throw new NightlyError('usage', `"${oneLine(id)}" is not a build id.`, {
      hint: 'Build ids look like 20261121_01; "latest", "tested", "released" and -1 name the newest ones; "atomic-nightly tag --list" shows names of your own.',
    });
  }
  const { builds, damaged } = await surveyBuild(workDir, id);
  if (builds[0]) return builds[0];
  if (damaged[0]) throw damaged[0].error;
  throw new NightlyError('not-found', `There is no build ${id} in ${join(workDir, 'builds')}.`, {
    hint: 'Run "atomic-nightly list" to see the builds there are.',
  });
}

/** A build's record as it is now. @throws NightlyError `record`. */
export async function readMeta(paths: BuildPaths): Promise<BuildMeta> {
  return withWhatIsBeside(paths, readBuildMeta(await readRegular(paths.meta), nameOf(paths), paths.meta));
}

/** What a folder is named after. */
const nameOf = ({ id, dir }: BuildPaths) => ({ id, arch: basename(dir) });

/**
 * The record with what is kept beside it. The times of steps only say how long something took: damaged ones are as good as
 * none, and the build is as it was (I15). Damaged approvals count as none here; who approves or releases is told.
 */
async function withWhatIsBeside({ steps, approvals }: BuildPaths, meta: BuildMeta): Promise<BuildMeta> {
  const times = await lookAt(steps, async () => readStepTimes(await readRegular(steps), steps));
  const given = await approvalsOrNone(approvals);
  return {
    ...meta,
    ...(times === undefined || times instanceof NightlyError ? {} : { steps: times }),
    approvals: given,
  };
}

/**
 * Rewrites a build's record with some values changed. The times of its steps go to a file of their own, since they come in
 * when the record is published: what is here stays what was published, and was signed (I14).
 * @throws NightlyError `record`
 */
export async function updateMeta(paths: BuildPaths, changes: Partial<BuildMeta>): Promise<BuildMeta> {
  const { steps, ...others } = changes;
  const text = await readTextIfExists(paths.meta);
  const old = text === undefined ? {} : readBuildMeta(text, nameOf(paths), paths.meta);
  const next = buildMetaText({ ...old, ...others });
  if (text !== next) await writeFileAtomic(paths.meta, next);
  if (steps !== undefined) await writeJson(paths.steps, steps);
  return readMeta(paths);
}
