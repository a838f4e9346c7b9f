import { realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { filesBelow, sha256 } from '../../base/files.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import { policyName } from '../../base/selinux-config.ts';
import type { Task } from '../../base/task.ts';

export interface TreePolicy {
  /** The folder of the tree: libselinux finds the policy in it by itself. */
  readonly folder: string;
  /** Of all that decides about labels. */
  readonly digest: string;
}

/**
 * Finds the SELinux policy by which a tree's files are labelled; says so where there is none.
 * @throws NightlyError `compose` when links on the way to it lead elsewhere: libselinux would follow them on this host.
 */
export async function treePolicy(root: string, task: Task): Promise<TreePolicy | undefined> {
  for (const place of ['usr/etc', 'etc']) {
    const etc = followInRoot(root, place);
    const name = await policyName(etc).catch(() => undefined);
    if (name === undefined) continue;
    const contexts = join(followInRoot(root, `${place}/selinux/${name}`), 'contexts/files');
    const files = (await filesBelow(contexts).catch(() => [])).toSorted();
    if (!files.includes('file_contexts')) continue;
    const straight = join(root, place, 'selinux', name, 'contexts/files/file_contexts');
    if (
      realpathSync(straight) !== straight ||
      realpathSync(join(root, place, 'selinux/config')) !== join(root, place, 'selinux/config')
    ) {
      throw new NightlyError(
        'compose',
        `The SELinux policy in /${place}/selinux of ${root} is reached through links.`,
        {
          hint: 'Put the files of the policy where the links are: labels must be those of the tree, not of this host.',
        },
      );
    }
    const contents = await Promise.all(files.map(async (file) => [file, sha256(await readFile(join(contexts, file)))]));
    task.say(`labelling by the tree's SELinux policy "${name}"`);
    return { folder: root, digest: sha256(JSON.stringify(contents)) };
  }
  task.say('the tree has no SELinux policy: its files get no labels');
  return undefined;
}
