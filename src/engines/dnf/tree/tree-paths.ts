import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { resolveInRoot } from '../../../base/paths-in-root.ts';

// Nothing here or beside joins a tree's root with a path itself: that would follow the tree's links on this host.

/** Returns the folder on this host that stands for a tree's /etc, or undefined while that is at its own place. */
export function etcOf(root: string): string | undefined {
  const etc = join(root, 'usr/etc');
  return isFolder(join(root, 'usr')) && isFolder(etc) ? etc : undefined;
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function resolve(root: string, parts: readonly string[], lastLink: 'follow' | 'keep'): string {
  const etc = etcOf(root);
  return resolveInRoot(root, parts.join('/'), { lastLink, elsewhere: etc === undefined ? undefined : { etc } });
}

/**
 * Returns where what a path of the tree leads to is on this host, links followed as inside the tree, one at the very
 * end too: for what is read, written to or listed. `/etc` means usr/etc once the tree keeps it there.
 */
export function at(root: string, ...parts: readonly string[]): string {
  return resolve(root, parts, 'follow');
}

/**
 * Returns where the name at a path of the tree is on this host, be it a link or not: for what is removed, moved or
 * made.
 */
export function entry(root: string, ...parts: readonly string[]): string {
  return resolve(root, parts, 'keep');
}
