import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { replaceInTree } from '../../base/tree-files.ts';
import type { RpmHeader } from '../../programs/rpm-installed.ts';
import { treefileJson } from '../../treefile/read.ts';
import type { ComposedPackages, ComposeRequest } from '../engine.ts';
import { createPhases } from '../phases.ts';
import { provenanceText } from '../provenance/provenance-format.ts';
import { packagesProvenance, signaturesOf } from '../provenance/rpm-provenance.ts';
import { commitToCache, keepOnly, publishCommit } from './commit.ts';
import type { DescribedPackage } from './dnf-request.ts';
import { checkPackageSignatures } from './dnf-signatures.ts';
import { fetchPackages } from './fetch-packages.ts';
import { type InitramfsRequest, makeInitramfs } from './initramfs.ts';
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
import { type AccountFiles, settleShadow, splitUsers } from './tree/tree-users.ts';
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
  if (kver !== undefined) await phases.time('depmod', 'depmod', () => indexModules(root, kver, task));
  const isWanted = kver !== undefined && values['no-initramfs'] !== true;
  const initramfs = isWanted ? await makeInitramfs(initramfsRequest(request, root, kver), task, phases) : 'none';
  const tree = { root, kver, packages, installed };
  const users = await phases.time('layout', 'self', () => layOut(request, tree, task));
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

function initramfsRequest(
  { treefile, version, cacheDir, scratchDir }: ComposeRequest,
  root: string,
  kver: string,
): InitramfsRequest {
  const { 'mutate-os-release': base, 'initramfs-args': args = [] } = treefile.values;
  return { root, kver, args, mutated: base === undefined ? undefined : { base, version }, cacheDir, scratchDir };
}

/** A root with its packages and its kernel. */
interface FilledRoot {
  readonly root: string;
  readonly kver: string | undefined;
  readonly packages: readonly DescribedPackage[];
  readonly installed: readonly RpmHeader[];
}

/**
 * Makes an OSTree tree of a root: what is below /var, /boot and /etc goes where a deployment finds it.
 * @returns all users and groups of the tree
 */
async function layOut(
  { treefile, timestamp, provenance, lockfile }: ComposeRequest,
  { root, kver, packages, installed }: FilledRoot,
  task: Task,
): Promise<AccountFiles> {
  const { values } = treefile;
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
  if (provenance !== undefined) {
    const repositories = Object.fromEntries(packages.map(({ name, evra, repo }) => [`${name}-${evra}`, repo]));
    const text = provenanceText(packagesProvenance(provenance, { installed, lockfile, repositories }));
    await writeProvenance(root, text, task);
  }
  if (values.selinux !== false) await requirePolicy(root);
  await makeTopLevel(root, values, opt);
  return split;
}
