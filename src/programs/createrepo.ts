import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * Writes a folder's `repodata/`, reusing what the old one knows of unchanged packages. The program writes aside and
 * renames, so readers see the old metadata or the new.
 */
export async function createRepo(folder: string, task: Task): Promise<void> {
  await run('createrepo_c', ['--update', ...OPTIONS, folder], { task });
}

/** Adds a file to a folder's `repodata/`, in place of another of its type, as in `updateinfo`. */
export async function addMetadata(folder: string, file: string, type: string, task: Task): Promise<void> {
  await run('modifyrepo_c', [`--mdtype=${type}`, file, `${folder}/repodata`], { task });
}

export interface CreateRepoRequest {
  /** Where the packages are. */
  readonly folder: string;
  /** Gets `repodata/`; what metadata is there has beyond packages (groups, updateinfo) is kept. */
  readonly outside: string;
  /** A file with the path of each package below the folder, one a line. */
  readonly list: string;
  /** Whether to take what the metadata in `outside` knows of files with the same name, size and time. */
  readonly update: boolean;
  /** Seconds since the epoch, for every time in repomd.xml; without it the current time. */
  readonly revision?: number | undefined;
}

/** Packages that createrepo_c could not take in, each with its reason; it has made nothing then. */
export interface RefusedPackages {
  readonly refused: readonly string[];
}

/**
 * Makes the metadata of a list of packages in another folder.
 * @returns what it refused, where it refused some
 */
export async function createRepoAside(
  { folder, outside, list, update, revision }: CreateRepoRequest,
  task: Task,
): Promise<RefusedPackages> {
  const times = revision === undefined ? [] : ['--revision', String(revision), '--set-timestamp-to-revision'];
  // Without --error-exit-val a package that cannot be read is left out, and all else is as if it were good.
  const strict = [...(update ? ['--update'] : []), '--keep-all-metadata', '--error-exit-val', '--pkglist', list];
  const args = [...OPTIONS, ...strict, ...times, '--outputdir', outside, folder];
  const result = await run('createrepo_c', args, { task, okExitCodes: [0, 2] });
  return { refused: result.exitCode === 0 ? [] : refusedIn(result.stderr, folder) };
}

/** Returns the packages that createrepo_c refused: `Cannot read package: FOLDER/PATH: why`, `Stat() on FOLDER/PATH: why`. */
export function refusedIn(printed: string, folder: string): string[] {
  const lines = printed
    .split('\n')
    .flatMap((line) => /(?:Cannot read package:|Stat\(\) on) (.+)$/.exec(line)?.[1] ?? []);
  const named = lines.map((line) => line.replace(`${folder.replace(/\/*$/, '')}/`, ''));
  return named.length > 0 ? named.sort() : ['createrepo_c names none; its output is in the log'];
}

const OPTIONS = ['--no-database', '--workers', '2'];
