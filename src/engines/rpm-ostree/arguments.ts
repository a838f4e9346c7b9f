import { join, resolve } from 'node:path';
import { isBefore, type RpmOstree } from '../../programs/rpm-ostree.ts';
import type { ComposeRequest, ResolveRequest } from '../engine.ts';

/** Folders and files of one run, all absolute: before unified core, relative ones land in a deleted work folder. */
export interface RunPaths {
  readonly cacheDir: string;
  readonly workDir: string;
  /** The repo composed into: the request's, or its private twin. */
  readonly repo: string;
  readonly lockfileIn: string;
  readonly lockfileOut: string;
  readonly commitId: string;
  readonly composeJson: string;
}

/** Returns the paths of a run with its own files below a folder. */
export function runPaths(cacheDir: string, folder: string, repo: string): RunPaths {
  const inFolder = (name: string) => join(resolve(folder), name);
  return {
    cacheDir: composeCache(cacheDir),
    workDir: inFolder('workdir'),
    repo: resolve(repo),
    lockfileIn: inFolder('locked.json'),
    lockfileOut: inFolder('resolved.json'),
    commitId: inFolder('commitid'),
    composeJson: inFolder('compose.json'),
  };
}

/** rpm-ostree's own cache inside the engine's. */
export function composeCache(cacheDir: string): string {
  return join(resolve(cacheDir), 'cache');
}

/**
 * Whether to compose into a private bare-user repo and copy the commit from there: before 2018.10 unified core cannot
 * write into an archive repo, and before `--previous-commit` (2020.8) a run follows whatever its ref says.
 */
export function needsTwin({ version, options }: RpmOstree): boolean {
  return isBefore(version, '2018.10') || !options.has('--previous-commit') || !options.has('--parent');
}

/** `compose tree` that only depsolves. `--force-nocache`: the caller decides what is unchanged, by the input hash. */
export function resolveArguments(rpmOstree: RpmOstree, request: ResolveRequest, paths: RunPaths): string[] {
  return [
    ...common(rpmOstree, paths, request.parent),
    '--dry-run',
    ...(request.lockfile ? lockArguments(rpmOstree, paths) : []),
    ...(rpmOstree.options.has('--ex-write-lockfile-to') ? [`--ex-write-lockfile-to=${paths.lockfileOut}`] : []),
    request.treefile.path,
  ];
}

/** `compose tree` that makes the commit without moving a ref. */
export function composeArguments(rpmOstree: RpmOstree, request: ComposeRequest, paths: RunPaths): string[] {
  const { options } = rpmOstree;
  const parent = request.parent === undefined ? '--no-parent' : `--parent=${request.parent}`;
  return [
    ...common(rpmOstree, paths, request.parent),
    ...(options.has('--parent') ? [parent] : []),
    ...lockArguments(rpmOstree, paths),
    `--write-commitid-to=${paths.commitId}`,
    ...(options.has('--write-composejson-to') ? [`--write-composejson-to=${paths.composeJson}`] : []),
    `--add-metadata-string=version=${request.version}`,
    ...Object.entries(request.metadata).map(([key, value]) => `--add-metadata-string=${key}=${value}`),
    request.treefile.path,
  ];
}

function common({ options }: RpmOstree, paths: RunPaths, parent: string | undefined): string[] {
  return [
    `--repo=${paths.repo}`,
    `--cachedir=${paths.cacheDir}`,
    ...(options.has('--unified-core') ? ['--unified-core'] : [`--workdir=${paths.workDir}`]),
    '--force-nocache',
    ...(parent !== undefined && options.has('--previous-commit') ? [`--previous-commit=${parent}`] : []),
  ];
}

function lockArguments({ options }: RpmOstree, paths: RunPaths): string[] {
  if (!options.has('--ex-lockfile')) return [];
  return [
    `--ex-lockfile=${paths.lockfileIn}`,
    ...(options.has('--ex-lockfile-strict') ? ['--ex-lockfile-strict'] : []),
  ];
}
