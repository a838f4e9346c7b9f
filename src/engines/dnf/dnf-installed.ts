import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { requirePlainFiles } from '../../base/tree-files.ts';
import { listInstalled, type RpmHeader } from '../../programs/rpm-installed.ts';
import { compareInstalled } from '../../rpm/installed-packages.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import { comparePackages } from '../../rpm/pkgdiff.ts';
import { at } from './tree/tree-paths.ts';

/**
 * Reads what was installed into a tree from its rpm database, which is what hosts and scanners will read, and compares it
 * with the lockfile (I14).
 * @returns the packages in the order of a commit's package list
 * @throws NightlyError `compose`, naming each difference.
 */
export async function installedPackages(
  root: string,
  lockfile: Lockfile,
  cacheDir: string,
  task: Task,
): Promise<RpmHeader[]> {
  const database = at(root, 'usr/share/rpm');
  await requirePlainFiles(database);
  const found = await listInstalled(database, join(cacheDir, 'home'), task);
  compareInstalled(found, lockfile, 'The rpm database of the tree');
  return found.toSorted(comparePackages);
}
