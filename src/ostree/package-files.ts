import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { requirePlainFiles } from '../base/tree-files.ts';
import { checkOutPath } from '../programs/ostree.ts';
import { listPackageFiles } from '../programs/rpm.ts';
import { listInstalled, type RpmHeader } from '../programs/rpm-installed.ts';
import { comparePackages } from '../rpm/pkgdiff.ts';

/**
 * Where trees keep the rpm database: as rpm-ostree places it, as later releases of rpm have it, and the copy that rpm-ostree's
 * clients compare with.
 */
export const RPMDB_FOLDERS = [
  '/usr/share/rpm',
  '/usr/lib/sysimage/rpm',
  '/usr/lib/sysimage/rpm-ostree-base-db',
] as const;

/**
 * Paths that some packages of a commit own, as its own rpm database lists them.
 * @param dir made anew, removed afterwards
 * @throws NightlyError `ostree` when the commit has no rpm database here.
 */
export async function packageFilesOf(
  commit: { readonly repo: string; readonly checksum: string; readonly names: readonly string[] },
  dir: string,
  task: Task,
): Promise<Map<string, readonly string[]>> {
  if (commit.names.length === 0) return new Map();
  const found = await withRpmdb(commit, dir, task, (database) => listPackageFiles(database, commit.names, dir, task));
  if (found !== undefined) return found;
  throw new NightlyError('ostree', `The commit ${commit.checksum} has no rpm database in ${commit.repo}.`, {
    hint: 'Pull it into the local repository as a whole, or use --recommit.',
  });
}

/**
 * Reads the rpm database of a commit, in a copy.
 * @param dir made anew, removed afterwards
 * @returns undefined when the commit has none here
 */
async function withRpmdb<Result>(
  commit: { readonly repo: string; readonly checksum: string },
  dir: string,
  task: Task,
  read: (database: string) => Promise<Result>,
): Promise<Result | undefined> {
  try {
    for (const path of RPMDB_FOLDERS) {
      await rm(dir, { recursive: true, force: true });
      await makeFolder(dir);
      const folder = join(dir, 'rpmdb');
      if (!(await checkOutPath({ repo: commit.repo, commit: commit.checksum, path, folder }, task))) continue;
      // rpm would open what links lead to on this host.
      await requirePlainFiles(folder);
      return await read(folder);
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return undefined;
}

/**
 * Returns the packages of a commit as its own rpm database has them, in the order of a commit's package list.
 * @param dir made anew, removed afterwards
 * @throws NightlyError `ostree` when the commit has no rpm database here.
 */
export async function packagesIn(
  commit: { readonly repo: string; readonly checksum: string },
  dir: string,
  task: Task,
): Promise<RpmHeader[]> {
  const found = await withRpmdb(commit, dir, task, (database) => listInstalled(database, dir, task));
  if (found !== undefined) return found.toSorted(comparePackages);
  throw new NightlyError('ostree', `The commit ${commit.checksum} has no rpm database in ${commit.repo}.`, {
    hint: 'Find out what was composed: a tree of packages has one.',
  });
}
