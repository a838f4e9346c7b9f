import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import { policyName } from '../../base/selinux-config.ts';
import type { Task } from '../../base/task.ts';
import { kindOf, namesIn, readInTree, requirePlainFiles } from '../../base/tree-files.ts';
import { copyTree } from '../../programs/cp.ts';
import { removeTree } from '../../programs/rm.ts';
import { setLabels } from '../../programs/setfiles.ts';

/** The trees of a disk's partitions, with the deployment in them. Absolute paths. */
export interface DiskTrees {
  /** The physical root, with `/ostree`. */
  readonly root: string;
  /** What is mounted as /boot; the folder's name is `boot`. */
  readonly boot: string;
  readonly deployment: string;
  /** `ostree/deploy/NAME`, which has `var`. */
  readonly stateroot: string;
  readonly rootFileSystem: 'ext4' | 'xfs';
  /** Folder for a work file. */
  readonly scratchDir: string;
}

/** An SELinux policy in a tree. */
interface Policy {
  /** `targeted`: SELINUXTYPE. */
  readonly name: string;
  readonly contexts: string;
  readonly policy: string | undefined;
}

/**
 * Labels what a deployment made beside the commit's own files, which bring their labels along: /etc, /var, /boot and
 * the physical root. ostree leaves that undone on a build host that does not run SELinux (ostree-sepolicy.c,
 * ostree_sepolicy_setfscreatecon), and a host would find most of it unlabelled. Without a policy in the tree nothing
 * happens.
 * @throws NightlyError `tool-missing`, `tool-failed`, `image` when the policy has no label for `/`.
 */
export async function labelTrees(trees: DiskTrees, task: Task): Promise<void> {
  const { root, boot, deployment, stateroot } = trees;
  const found = await policyOf(deployment);
  if (found === undefined) return;
  const { name, ...policy } = found;
  task.say(`Labelling the disk by the tree's SELinux policy (${name})`);
  await makeLostAndFound(trees);
  await unshare(boot, task);
  const ostree = join(root, 'ostree');
  await setLabels({ ...policy, root: deployment, path: followInRoot(deployment, '/etc'), exclude: [] }, task);
  await setLabels({ ...policy, root: stateroot, path: join(stateroot, 'var'), exclude: [] }, task);
  await setLabels({ ...policy, root: dirname(boot), path: boot, exclude: [] }, task);
  await setLabels({ ...policy, root, path: root, exclude: [ostree] }, task);
  const contexts = await writeOstreeContexts(policy.contexts, trees.scratchDir);
  await setLabels({ ...policy, contexts, root, path: ostree, exclude: [deployment, join(stateroot, 'var')] }, task);
}

/** Returns the policy that hosts load; undefined when the tree has none. */
async function policyOf(deployment: string): Promise<Policy | undefined> {
  const name = await policyName(followInRoot(deployment, '/etc/selinux/config'));
  if (name === undefined) return undefined;
  const folder = `/etc/selinux/${name}`;
  const files = followInRoot(deployment, `${folder}/contexts/files`);
  const contexts = join(files, 'file_contexts');
  if (!(await kindOf(contexts))) return undefined;
  const policies = followInRoot(deployment, `${folder}/policy`);
  // setfiles opens what is there, and follows links on this host.
  for (const each of [files, policies]) await requirePlainFiles(each);
  return { name, contexts, policy: await newestBinary(policies) };
}

/** `policy.33`: the number is the version of the format. */
async function newestBinary(folder: string): Promise<string | undefined> {
  const names = await namesIn(folder);
  const versions = names.map((name) => Number(/^policy\.(\d+)$/.exec(name)?.[1] ?? 0));
  const newest = Math.max(0, ...versions);
  return newest === 0 ? undefined : join(folder, `policy.${newest}`);
}

/** mke2fs makes this folder by itself, without a label, unless it finds one to copy. */
async function makeLostAndFound({ root, boot, rootFileSystem }: DiskTrees): Promise<void> {
  for (const tree of rootFileSystem === 'ext4' ? [boot, root] : [boot]) {
    await mkdir(join(tree, 'lost+found'), { mode: 0o700 });
  }
}

/**
 * Gives a tree files of its own. ostree links the kernel into /boot from the repo, where its label is part of the
 * content's checksum and another one (modules_object_t).
 */
async function unshare(tree: string, task: Task): Promise<void> {
  const aside = `${tree}.own`;
  await removeTree(aside, task);
  await copyTree(tree, aside, task);
  await removeTree(tree, task);
  await rename(aside, tree);
}

/**
 * Policies do not know /ostree: by path it would be default_t. On a running host, and in coreos-assembler's installs,
 * what ostree makes there has the label of the physical root, because the kernel passes a folder's label on; only
 * origin files are labelled like those in /etc (ostree-sysroot-deploy.c, write_origin_file_internal). The repo's objects
 * are left alone: the content objects, links among them, have the commit's labels, and the others may be hard links to
 * the repo that was pulled from.
 */
async function writeOstreeContexts(treeContexts: string, scratchDir: string): Promise<string> {
  const entries = ((await readInTree(treeContexts)) ?? '').split('\n').map((line) => line.trim().split(/\s+/));
  const labelOf = (pattern: string): string => {
    const label = entries.find(([first]) => first === pattern)?.at(-1);
    if (label !== undefined) return label;
    throw new NightlyError('image', `The tree's SELinux policy has no label for ${pattern} in file_contexts.`);
  };
  const path = join(scratchDir, 'ostree_contexts');
  await writeFile(
    path,
    [
      `/ostree(/.*)? ${labelOf('/')}`,
      `/ostree/deploy/[^/]+/deploy/[^/]+\\.origin -- ${labelOf('/etc/.*')}`,
      '/ostree/repo/objects/[^/]+/.* <<none>>',
      '',
    ].join('\n'),
  );
  return path;
}
