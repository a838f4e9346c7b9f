import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { kindOf } from '../../base/tree-files.ts';
import { removeTree } from '../../programs/rm.ts';
import type { RpmHeader } from '../../programs/rpm-installed.ts';
import type { TreefileValues } from '../../treefile/treefile-keys.ts';
import type { ComposeRequest } from '../engine.ts';
import type { Phases } from '../phases.ts';
import { installedPackages } from './dnf-installed.ts';
import type { DescribedPackage } from './dnf-request.ts';
import { installPackages } from './install.ts';
import { customise } from './tree/customise.ts';
import { removeExtraneous } from './tree/extraneous.ts';
import { makeDeclaredUsers } from './tree/system.ts';
import { refuseStrange } from './tree/tree-kinds.ts';
import { moveEtc } from './tree/tree-layout.ts';
import { entry } from './tree/tree-paths.ts';
import { movePolicyStore } from './tree/tree-selinux.ts';
import { readAccounts } from './tree/tree-users.ts';
import { checkUsers, type ExpectedUsers, idsMoved, keepGoneAccounts, type Seed } from './tree/user-seeds.ts';

/** Empties or makes the folder a tree is put together in. */
export async function emptyRoot(root: string, task: Task): Promise<void> {
  await removeTree(root, task);
  await makeFolder(root, 0o755);
}

/**
 * Fills an empty root: packages with their scripts, then the treefile's own changes. Where ids come out otherwise than the
 * commit before had them, all of it is done once more with the accounts of that commit in place.
 * @returns what the install was seeded with, and the packages as the tree's database has them.
 * @throws NightlyError `compose` when users and groups are not what the treefile's checks expect, and what installing and
 *   the treefile's changes throw.
 */
export async function populate(
  request: ComposeRequest,
  tree: { readonly root: string; readonly packages: readonly DescribedPackage[]; readonly expected: ExpectedUsers },
  phases: Phases,
  task: Task,
): Promise<{ readonly seed: Seed; readonly installed: readonly RpmHeader[] }> {
  const { treefile, cacheDir, scratchDir, timestamp, version } = request;
  const { root, packages, expected } = tree;
  const fill = async (users: Seed): Promise<readonly RpmHeader[]> => {
    const packageFiles = await phases.time('install', 'dnf', () =>
      installPackages({ root, packages, treefile, timestamp, users, cacheDir }, task),
    );
    const found = await phases.time('package list', 'rpm', () =>
      installedPackages(root, request.lockfile, cacheDir, task),
    );
    await phases.time('sysusers', 'tree', async () => {
      // Before anything opens what scripts have left; /etc is still at the top.
      refuseStrange(root);
      await makeDeclaredUsers(root, timestamp, task);
    });
    await phases.time('etc', 'self', async () => {
      await moveEtc(root);
      if (treefile.values.selinux !== false) await movePolicyStore(root);
    });
    await phases.time('treefile changes', 'tree', () =>
      customise({ root, treefile, version, timestamp, packageFiles, scratchDir }, task),
    );
    await removeExtraneous(root, packageFiles);
    await requireFolder(root, '/usr/etc');
    if (!changesFiles(treefile.values)) return found;
    return phases.time('package list', 'rpm', () => installedPackages(root, request.lockfile, cacheDir, task));
  };
  const [first, second] = expected.seeds;
  let seed = first;
  let installed = await fill(seed);
  if (second !== undefined && idsMoved(await readAccounts(root), expected)) {
    task.say('users or groups would get other ids than in the commit before: installing again with those in place');
    await phases.time('prepare again', 'self', () => emptyRoot(root, task));
    seed = second;
    installed = await fill(seed);
  }
  await phases.time('users', 'self', async () => {
    await keepGoneAccounts(root, expected.keep);
    checkUsers(await readAccounts(root), expected, treefile.values);
  });
  return { seed, installed };
}

/** Whether what a treefile does to installed packages could reach their database, scripts first of all. */
function changesFiles(values: TreefileValues): boolean {
  const { postprocess = [], 'remove-files': removed = [], 'postprocess-script': script } = values;
  return postprocess.length + removed.length > 0 || script !== undefined;
}

async function requireFolder(root: string, path: string): Promise<void> {
  if ((await kindOf(entry(root, path))) === 'dir') return;
  throw new NightlyError('compose', `The tree has no folder ${path} any more, which every host needs.`, {
    hint: 'Correct what removes it: "postprocess", "postprocess-script" or "remove-files".',
  });
}
