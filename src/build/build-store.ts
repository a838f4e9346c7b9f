import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { isErrno, readTextIfExists, writeJson } from '../base/files.ts';
import { approvalsOrNone } from './approvals.ts';
import { compareBuildIds, isBuildId, nextBuildId } from './build-id.ts';
import type { BuildMeta } from './build-record.ts';

/** Paths of one build: `builds/<id>/<arch>/…`. */
export interface BuildPaths {
  readonly id: string;
  readonly dir: string;
  readonly meta: string;
  /** Of the record what is known only when everything is done, and so cannot be in what is published of it. */
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
    meta: join(dir, 'meta.json'),
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
  await mkdir(folder, { recursive: true });
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

/**
 * Returns all builds with a record, newest first. A folder without one was reserved by a run killed within
 * milliseconds.
 */
export async function listBuilds(workDir: string): Promise<StoredBuild[]> {
  const found: StoredBuild[] = [];
  for (const id of await listBuildIds(workDir)) {
    for (const arch of await readdir(join(workDir, 'builds', id))) {
      const paths = buildPaths(workDir, id, arch);
      const text = await readTextIfExists(paths.meta);
      if (text !== undefined) found.push({ paths, meta: await wholeMeta(paths, text) });
    }
  }
  return found;
}

/** One build by its id. @throws NightlyError `not-found`, `usage` when the text is no build id. */
export async function findBuild(workDir: string, id: string): Promise<StoredBuild> {
  if (!isBuildId(id)) {
    throw new NightlyError('usage', `"${id}" is not a build id.`, { hint: 'Build ids look like 20261121_01.' });
  }
  const build = (await listBuilds(workDir)).find(({ paths }) => paths.id === id);
  if (build) return build;
  throw new NightlyError('not-found', `There is no build ${id} in ${join(workDir, 'builds')}.`, {
    hint: 'Run "atomic-nightly list" to see the builds there are.',
  });
}

/** Returns a build's record as it is now. */
export async function readMeta(paths: BuildPaths): Promise<BuildMeta> {
  return wholeMeta(paths, await readFile(paths.meta, 'utf8'));
}

const STEPS = 'atomic-nightly.steps';

async function wholeMeta(paths: BuildPaths, text: string): Promise<BuildMeta> {
  const meta = JSON.parse(text) as BuildMeta;
  const times = await readTextIfExists(paths.steps);
  const approvals = await approvalsOrNone(paths.approvals);
  return {
    ...meta,
    ...(times === undefined ? {} : { [STEPS]: JSON.parse(times) as NonNullable<BuildMeta[typeof STEPS]> }),
    ...(approvals === undefined ? {} : { 'atomic-nightly.approvals': approvals }),
  };
}

/**
 * Rewrites a build's record with some values changed. The times of its steps go to a file of their own, since they come in
 * when the record is published: what is here stays what was published, and was signed (I14).
 */
export async function updateMeta(paths: BuildPaths, changes: Partial<BuildMeta>): Promise<BuildMeta> {
  const { [STEPS]: steps, ...others } = changes;
  const text = await readTextIfExists(paths.meta);
  const meta = { ...(text === undefined ? {} : JSON.parse(text)), ...others } as BuildMeta;
  if (text !== `${JSON.stringify(meta, null, 2)}\n`) await writeJson(paths.meta, meta);
  if (steps !== undefined) await writeJson(paths.steps, steps);
  return readMeta(paths);
}
