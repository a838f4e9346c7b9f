import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import { followInRoot, resolveInRoot } from '../base/paths-in-root.ts';
import type { Task } from '../base/task.ts';
import { kindOf, namesIn, readInTree } from '../base/tree-files.ts';
import { checkOutPath } from '../programs/ostree.ts';
import { accountsIn, sysusersIn } from './account-lists.ts';

/** What a tree starts and whom it knows; each list sorted. */
export interface TreeFeatures {
  /** Names of the units that another unit starts. */
  readonly units: readonly string[];
  /** Names of the users that hosts get. */
  readonly users: readonly string[];
}

const UNIT_FOLDERS = ['/usr/etc/systemd/system', '/usr/lib/systemd/system'] as const;
const SYSUSERS = '/usr/lib/sysusers.d';
const PASSWD = ['/usr/lib/passwd', '/usr/etc/passwd'] as const;

/** The paths of a commit that are read: a commit that is there in part must have these. */
export const FEATURE_PATHS = [...UNIT_FOLDERS, SYSUSERS, ...PASSWD] as const;

/**
 * Reads the enabled units and the users of a commit, in a copy of the few folders that say it.
 * @param dir an empty folder
 */
export async function treeFeatures(
  { repo, checksum }: { readonly repo: string; readonly checksum: string },
  dir: string,
  task: Task,
): Promise<TreeFeatures> {
  for (const path of [...UNIT_FOLDERS, SYSUSERS]) {
    await makeFolder(join(dir, path, '..'));
    await checkOutPath({ repo, commit: checksum, path, folder: join(dir, path) }, task);
  }
  // A path that is a file gives a folder with that file in it.
  for (const path of PASSWD) await checkOutPath({ repo, commit: checksum, path, folder: join(dir, path) }, task);
  return { units: await enabledUnits(dir), users: await usersOf(dir) };
}

/** A link in `NAME.wants` or `NAME.requires` counts when it leads to a file; systemd ignores others, and masked units. */
async function enabledUnits(root: string): Promise<string[]> {
  const units = new Set<string>();
  for (const folder of UNIT_FOLDERS) {
    for (const wanting of await namesIn(followInRoot(root, folder))) {
      if (!/\.(?:wants|requires)$/.test(wanting)) continue;
      for (const unit of await namesIn(followInRoot(root, join(folder, wanting)))) {
        const target = inTree(root, join(folder, wanting, unit));
        const isThere = target !== undefined && (await kindOf(target)) === 'file';
        if (isThere && !(await isMasked(root, unit))) units.add(unit);
      }
    }
  }
  return [...units].sort();
}

async function isMasked(root: string, unit: string): Promise<boolean> {
  const path = join('/usr/etc/systemd/system', unit);
  return (
    (await kindOf(resolveInRoot(root, path, { lastLink: 'keep' }))) === 'link' &&
    inTree(root, path) === followInRoot(root, '/dev/null')
  );
}

/** Returns where a path leads as on a host, where `/etc` is the tree's usr/etc and `/lib` its usr/lib; undefined for links that lead in a circle. */
function inTree(root: string, path: string): string | undefined {
  const elsewhere = { etc: followInRoot(root, '/usr/etc'), lib: followInRoot(root, '/usr/lib') };
  try {
    return resolveInRoot(root, path, { lastLink: 'follow', elsewhere });
  } catch (error) {
    if (error instanceof NightlyError) return undefined;
    throw error;
  }
}

async function usersOf(root: string): Promise<string[]> {
  const users = new Set<string>();
  for (const path of PASSWD) {
    const text = await readInTree(followInRoot(root, join(path, 'passwd')));
    for (const [name] of accountsIn(text ?? '')) users.add(name);
  }
  for (const name of await namesIn(followInRoot(root, SYSUSERS))) {
    const path = followInRoot(root, join(SYSUSERS, name));
    const text = name.endsWith('.conf') && (await kindOf(path)) === 'file' ? await readInTree(path) : undefined;
    for (const [user] of sysusersIn(text ?? '', 'u')) users.add(user);
  }
  return [...users].sort();
}
