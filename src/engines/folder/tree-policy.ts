import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow, sha256 } from '../../base/files.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import { policyName, requireStraightPolicy } from '../../base/selinux-config.ts';
import type { Task } from '../../base/task.ts';
import { kindOf } from '../../base/tree-files.ts';
import { isLabelled, type Labelling } from '../../programs/ostree-store.ts';

export interface TreePolicy {
  /** The folder of the tree, in which libselinux finds the policy; undefined: labels of this machine are left out. */
  readonly folder: string | undefined;
  /** Digest of everything that decides about labels. */
  readonly digest: string;
}

/** How `storeFolder` labels files by it. */
export function labelling(policy: TreePolicy | undefined): Labelling {
  return policy === undefined ? 'as-they-are' : policy.folder === undefined ? 'none' : { policy: policy.folder };
}

/**
 * Finds the SELinux policy by which a tree's files are labelled; says so where there is none. The labels that files have on a build
 * machine are of that machine's policy: without one of its own the tree gets none, or it would differ from machine to machine (I10).
 * @throws NightlyError `compose` when links on the way to it lead elsewhere: libselinux would follow them on this host.
 */
export async function treePolicy(root: string, task: Task): Promise<TreePolicy | undefined> {
  for (const place of ['usr/etc', 'etc']) {
    const name = await policyName(followInRoot(root, `${place}/selinux/config`)).catch(() => undefined);
    if (name === undefined) continue;
    const contexts = followInRoot(root, `${place}/selinux/${name}/contexts/files`);
    if (!(await kindOf(`${contexts}/file_contexts`))) continue;
    await requireStraightPolicy(root, place, name);
    const files = (await filesBelow(contexts)).toSorted();
    const contents = await Promise.all(files.map(async (file) => [file, sha256(await readFile(join(contexts, file)))]));
    task.say(`labelling by the tree's SELinux policy "${name}"`);
    return { folder: root, digest: sha256(JSON.stringify(contents)) };
  }
  const labelled = await isLabelled(root);
  const those = labelled ? ', those of this machine neither' : '';
  task.say(`the tree has no SELinux policy: its files get no labels${those}`);
  return labelled ? { folder: undefined, digest: 'none' } : undefined;
}
