import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { replaceInTree } from '../../base/tree-files.ts';
import { treefileJson } from '../../treefile/read.ts';
import type { Composed, ComposedPackages, ComposeRequest } from '../engine.ts';
import { createPhases } from '../phases.ts';
import { provenanceText } from '../provenance/provenance-format.ts';
import { packagesProvenance, signaturesOf } from '../provenance/rpm-provenance.ts';
import { commitToCache, keepOnly, publishCommit } from './commit.ts';
import { checkPackageSignatures } from './dnf-signatures.ts';
import { fetchPackages } from './fetch-packages.ts';
import { makeInitramfs } from './initramfs.ts';
import { emptyRoot, populate } from './populate.ts';
import { wrapPrograms } from './tree/cliwrap.ts';
import { openInitramfs, setHostDefaults } from './tree/host-defaults.ts';
import { indexModules, moveBoot, placeKernel } from './tree/kernel.ts';
import { settleOptUsrLocal } from './tree/opt-usrlocal.ts';
import { settleRpmdb } from './tree/rpmdb.ts';
import { removeLeftovers } from './tree/system.ts';
import { refuseStrange } from './tree/tree-kinds.ts';
import { makeTopLevel, setMachineId } from './tree/tree-layout.ts';
import { entry } from './tree/tree-paths.ts';
import { writeProvenance } from './tree/tree-provenance.ts';
import { requirePolicy, settlePolicy } from './tree/tree-selinux.ts';
import { settleShadow, splitUsers } from './tree/tree-users.ts';
import { expectedUsers, previousAccounts, rememberAccounts } from './tree/user-seeds.ts';
import { varToTmpfiles } from './tree/var.ts';
import { moveVarLib } from './tree/var-lib.ts';

/**
 * Makes the commit: packages into a root, the root into an OSTree tree, the tree into a commit. Everything is made anew but
 * what the cache holds: RPM files, their checks, the initramfs, and the objects of last night's commit.
 */
export async function compose(request: ComposeRequest, task: Task): Promise<ComposedPackages> {
  const { treefile, cacheDir, scratchDir, timestamp } = request;
  const { values } = treefile;
  const phases = createPhases();
  const root = join(scratchDir, 'root');
  await phases.time('prepare', 'self', () => startAfresh(root, cacheDir, task));

  const { packages, advisories } = await phases.time('download', 'dnf', () =>
    fetchPackages(treefile, request.lockfile, cacheDir, task, phases),
  );
  await phases.time('signatures', 'rpm', () =>
    checkPackageSignatures(treefile, packages, { cacheDir, scratchDir }, task),
  );
  const expected = await phases.time('users before', 'self', () =>
    expectedUsers(treefile, () => previousAccounts({ cacheDir, repo: request.repo, parent: request.parent }, task)),
  );
  const { seed, installed } = await populate(request, { root, packages, expected }, phases, task);

  const kver = await phases.time('kernel', 'self', async () => {
    refuseStrange(root);
    await setMachineId(root, values);
    await removeLeftovers(root);
    await setHostDefaults(root);
    return placeKernel(root);
  });
  await phases.time('SELinux policy', 'tree', () =>
    settlePolicy({ root, timestamp, compile: values.selinux !== false }, task),
  );
  let initramfs: Composed['initramfs'] = 'none';
  if (kver !== undefined) {
    await phases.time('depmod', 'depmod', () => indexModules(root, kver, task));
    if (values['no-initramfs'] !== true) {
      const base = values['mutate-os-release'];
      initramfs = await makeInitramfs(
        {
          root,
          kver,
          args: values['initramfs-args'] ?? [],
          mutated: base === undefined ? undefined : { base, version: request.version },
          cacheDir,
          scratchDir,
        },
        task,
        phases,
      );
    }
  }

  const users = await phases.time('layout', 'self', async () => {
    await settleShadow(root, timestamp);
    const split = await splitUsers(root, values);
    if (split.kept) {
      task.say('the tree has no libnss_altfiles.so.2: users and groups stay in /etc as well as in /usr/lib');
    }
    const opt = await settleOptUsrLocal(root, values['opt-usrlocal'] ?? 'var', task);
    await varToTmpfiles(root, split, [...(await moveVarLib(root)), ...opt.lines], task);
    if (kver !== undefined) await openInitramfs(root, kver);
    await moveBoot(root, kver, values['boot-location'] ?? 'modules');
    await settleRpmdb(root);
    await wrapPrograms(root, treefile);
    await replaceInTree(
      entry(root, 'usr/share/rpm-ostree/treefile.json'),
      `${JSON.stringify(treefileJson(treefile), null, 2)}\n`,
    );
    if (request.provenance !== undefined) {
      const repositories = Object.fromEntries(packages.map(({ name, evra, repo }) => [`${name}-${evra}`, repo]));
      const known = { installed, lockfile: request.lockfile, repositories };
      await writeProvenance(root, provenanceText(packagesProvenance(request.provenance, known)), task);
    }
    if (values.selinux !== false) await requirePolicy(root);
    await makeTopLevel(root, values, opt);
    return split;
  });

  const commit = await phases.time('commit', 'ostree', () =>
    commitToCache(request, { root, kver, packages: installed, advisories }, task),
  );
  const contentChecksum = await phases.time('into the archive', 'ostree', () =>
    publishCommit(request, commit, advisories, task),
  );
  await phases.time('prune the cache', 'ostree', () => keepOnly(cacheDir, commit, task));
  await phases.time('remember users', 'self', () => rememberAccounts(cacheDir, commit, { accounts: users, seed }));
  const signatures = signaturesOf({ installed, lockfile: request.lockfile });
  return { commit, contentChecksum, kernel: kver, initramfs, phases: phases.list(), signatures };
}

/** Removes what an earlier, killed try left. Nothing of it can still be mounted: mounts end with their processes. */
async function startAfresh(root: string, cacheDir: string, task: Task): Promise<void> {
  await emptyRoot(root, task);
  await makeFolder(join(cacheDir, 'home'));
}
