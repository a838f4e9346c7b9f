import { lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from './errors.ts';
import { isErrno } from './files.ts';

// Called for each of ten thousands of files in a row: synchronous calls take a fraction of the time here.

/** The kernel's own limit (path_resolution(7)). */
const MOST_LINKS = 40;

export interface ResolveOptions {
  /** Whether a link at the very end is followed: for reading and writing it is, for moving and deleting it is not. */
  readonly lastLink: 'follow' | 'keep';
  /** Folders of this host that stand for what is at the top of the tree, such as `etc` while it is kept in usr/etc. */
  readonly elsewhere?: Readonly<Record<string, string>> | undefined;
}

/**
 * Returns where a path of a file system tree is on this host, with every link on the way followed as inside the tree,
 * as after chroot(2): an absolute link starts at the root, and `..` never leads above it. What is not there stays as it
 * is written. The tree must be at rest. Whatever reads, writes or removes something in a tree asks here first, so that
 * no link of the tree leads to the host (I13).
 * @throws NightlyError `compose` when links lead in a circle.
 */
export function resolveInRoot(root: string, path: string, options: ResolveOptions): string {
  const todo = path.split('/');
  // As programs in the tree would name it; `where` says where that is.
  const done: string[] = [];
  const where = ([top = '', ...rest]: readonly string[]): string => {
    const other = options.elsewhere?.[top];
    return other === undefined ? join(root, top, ...rest) : join(other, ...rest);
  };
  let links = 0;
  while (todo.length > 0) {
    const part = todo.shift();
    if (part === undefined || part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const isLast = todo.every((later) => later === '' || later === '.');
    const target = isLast && options.lastLink === 'keep' ? undefined : linkTarget(where([...done, part]));
    if (target === undefined) {
      done.push(part);
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) throw new NightlyError('compose', `${path} in the tree leads in a circle of links.`);
    if (target.startsWith('/')) done.length = 0;
    todo.unshift(...target.split('/'));
  }
  return where(done);
}

/** Returns where a path of a tree leads on this host, a link at its end followed. */
export function followInRoot(root: string, path: string): string {
  return resolveInRoot(root, path, { lastLink: 'follow' });
}

/** Returns where the name at a path of a tree is on this host, be it a link or not: for what is removed, moved or made. */
export function entryInRoot(root: string, path: string): string {
  return resolveInRoot(root, path, { lastLink: 'keep' });
}

function linkTarget(path: string): string | undefined {
  try {
    // Asking first is quicker than an exception for each of the many that are no link.
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOTDIR') || isErrno(error, 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}
