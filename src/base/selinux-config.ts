import { join } from 'node:path';
import { NightlyError } from './errors.ts';
import { followInRoot } from './paths-in-root.ts';
import { kindOf, readInTree, requirePlainFiles } from './tree-files.ts';

/**
 * Returns the name of the policy that hosts load, `targeted`: SELINUXTYPE as libselinux reads it (selinux_config(5)).
 * Undefined when no policy is named.
 * @param path where a tree's /etc/selinux/config is on this host
 */
export async function policyName(path: string): Promise<string | undefined> {
  const config = await readInTree(path);
  return /^\s*SELINUXTYPE\s*=\s*([\w.-]+)\s*$/m.exec(config ?? '')?.[1];
}

/**
 * Checks that libselinux, which follows links on this host, finds a tree's policy in the tree.
 * @param etc where the tree has its /etc: `usr/etc`
 * @throws NightlyError `compose` when links lead to it, or are in it.
 */
export async function requireStraightPolicy(root: string, etc: string, name: string): Promise<void> {
  const folder = `${etc}/selinux/${name}`;
  const contexts = `${folder}/contexts/files`;
  const crooked = [`${etc}/selinux/config`, contexts, `${folder}/policy`].find(
    (path) => followInRoot(root, path) !== join(root, path),
  );
  if (crooked !== undefined) {
    throw new NightlyError('compose', `/${crooked} of ${root}, part of its SELinux policy, is reached through links.`, {
      hint: 'Put what is there where the links are: labels must be those of the tree, not of this host.',
    });
  }
  for (const path of [contexts, `${folder}/policy`]) {
    if (await kindOf(followInRoot(root, path))) await requirePlainFiles(followInRoot(root, path));
  }
}
