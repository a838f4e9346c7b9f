import { lstatSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import { isErrno } from '../../../base/files.ts';
import { resolveInRoot } from '../../../base/paths-in-root.ts';
import { escapedName, utf8Name } from '../../../base/utf8-name.ts';

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
  return resolveInRoot(root, parts.join('/'), { lastLink, ...(etc === undefined ? {} : { elsewhere: { etc } }) });
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

/** The same as `entry`. */
export async function pathInTree(root: string, path: string): Promise<string> {
  return entry(root, path);
}

/** The same as `at`. */
export async function followInTree(root: string, path: string): Promise<string> {
  return at(root, path);
}

/** Returns a path's kind, or undefined when there is nothing. Links are not followed. */
export async function kindOf(path: string): Promise<'file' | 'dir' | 'link' | 'other' | undefined> {
  try {
    const info = await lstat(path);
    if (info.isFile()) return 'file';
    if (info.isDirectory()) return 'dir';
    return info.isSymbolicLink() ? 'link' : 'other';
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * Names in a folder, sorted by code unit; empty when there is no such folder.
 * @throws NightlyError `compose` when one is not UTF-8: OSTree cannot store it.
 */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path, { encoding: 'buffer' })).map((name) => nameOf(name, path)).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}

function nameOf(bytes: Uint8Array, folder: string): string {
  const name = utf8Name(bytes);
  if (name !== undefined) return name;
  throw new NightlyError('compose', `The tree has a name that is not UTF-8: ${join(folder, escapedName(bytes))}.`, {
    hint: 'OSTree cannot store it. Find the package or script it is from, and exclude or correct it.',
  });
}
