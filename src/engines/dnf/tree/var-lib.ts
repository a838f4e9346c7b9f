import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { folderInTree, kindOf } from '../../../base/tree-files.ts';
import { entry } from './tree-paths.ts';

/** Folders in /var/lib that say what is in /usr: they come with a tree and are replaced with it. */
const PART_OF_THE_TREE = ['alternatives', 'vagrant'] as const;

/**
 * Moves folders that packages and their scripts keep in /var/lib although they belong to the tree to /usr/lib, as
 * rpm-ostree does. Called once no script runs any more.
 * @returns tmpfiles.d lines for the links that lead to them.
 */
export async function moveVarLib(root: string): Promise<string[]> {
  const lines: string[] = [];
  for (const name of PART_OF_THE_TREE) {
    const from = entry(root, 'var/lib', name);
    if ((await kindOf(from)) !== 'dir') continue;
    const target = entry(root, `/usr/lib/${name}`);
    await folderInTree(dirname(target));
    await rm(target, { recursive: true, force: true });
    await rename(from, target);
    lines.push(`L /var/lib/${name} - - - - ../../usr/lib/${name}`);
  }
  return lines;
}
