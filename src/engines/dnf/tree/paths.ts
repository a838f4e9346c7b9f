import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { NightlyError } from '../../../errors.ts';
import { isErrno } from '../../../tools/files.ts';

/**
 * Where a path of the tree is on this host, with every link on the way followed as inside the tree: an absolute link
 * never leads out of it. The last component is not followed. `/etc` means usr/etc, where the tree keeps it.
 */
export async function pathInTree(root: string, path: string): Promise<string> {
  const parts = posix.normalize(`/${path}`).split('/').filter(Boolean);
  if (parts[0] === 'etc') parts.unshift('usr');
  let current = '/';
  let links = 0;
  while (parts.length > 1) {
    const part = parts.shift() ?? '';
    const next = posix.join(current, part);
    const target = await linkTarget(join(root, next));
    if (target === undefined) {
      current = next;
      continue;
    }
    links += 1;
    if (links > 40) throw new NightlyError('compose', `${path} in the tree leads in a circle of links.`);
    const resolved = posix.resolve(current, target).split('/').filter(Boolean);
    if (resolved[0] === 'etc') resolved.unshift('usr');
    parts.unshift(...resolved);
    current = '/';
  }
  return join(root, current, parts[0] ?? '');
}

/** Where what a path of the tree leads to is on this host: as `pathInTree`, with a link at the very end followed too. */
export async function followInTree(root: string, path: string): Promise<string> {
  let inside = path;
  for (let links = 0; links <= 40; links += 1) {
    const real = await pathInTree(root, inside);
    const target = await linkTarget(real);
    if (target === undefined) return real;
    inside = posix.resolve(posix.dirname(real.slice(root.length)), target);
  }
  throw new NightlyError('compose', `${path} in the tree leads in a circle of links.`);
}

/** A path's kind, or undefined when there is nothing. Links are not followed. */
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

/** Names in a folder, sorted by code unit; empty when there is no such folder. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    // EINVAL: it is there and no link.
    if (isErrno(error, 'EINVAL') || isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}
