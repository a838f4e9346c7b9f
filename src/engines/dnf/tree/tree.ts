import type { Stats } from 'node:fs';
import { lstatSync } from 'node:fs';
import {
  chmod,
  chown,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../../errors.ts';
import { isErrno } from '../../../tools/files.ts';
import { resolveInRoot } from '../../../tools/paths-in-root.ts';

export type Kind = 'file' | 'dir' | 'link' | 'other';

/**
 * A tree under work. Every path is one of the tree, with or without a slash at the front, and is resolved inside it,
 * however links in it lead: nothing outside can be reached. `/etc` stands for usr/etc once the tree keeps it there.
 * What is read, written to or listed may be named by a link; what is moved, removed or made is the name itself.
 * Methods throw NightlyError `compose` when the tree has something unfit at a path, such as a file where a folder is
 * needed, a FIFO to read from, or links in a circle.
 */
export interface Tree {
  /** The tree's folder on this host. Not to be joined with a path: that would follow the tree's links on the host. */
  readonly root: string;
  /** Where a path leads on this host, a link at its end followed: for programs that take one path. */
  at(path: string): string;
  /** What a path is itself; undefined when there is nothing. */
  kind(path: string): Kind | undefined;
  /** What a path leads to; undefined when that is nothing. */
  kindBehind(path: string): Exclude<Kind, 'link'> | undefined;
  /** What lstat(2) says of the name itself. */
  status(path: string): Promise<Stats | undefined>;
  /** Names in a folder, sorted by code unit; empty when there is no such folder. */
  names(path: string): Promise<string[]>;
  /** A link's target, as it is written. */
  target(path: string): Promise<string>;
  /** A file's text; undefined when there is none, or a link that leads nowhere. */
  readText(path: string): Promise<string | undefined>;
  /** Writes a file, through a link, keeping the mode of one that is there. Makes its folder. */
  writeText(path: string, text: string): Promise<void>;
  /** Makes a folder and those above it; one that is there is fine. */
  makeFolder(path: string): Promise<void>;
  /** Makes a link with this target. Makes its folder. */
  makeLink(path: string, target: string): Promise<void>;
  /** Removes the name, and all below it. */
  remove(path: string): Promise<void>;
  /** Renames within the tree; what is at the other name goes. Makes the folder. */
  move(from: string, to: string): Promise<void>;
  /** Copies a file within the tree; the copy replaces what has its name. Makes the folder. */
  copy(from: string, to: string): Promise<void>;
  /** Copies a file, link or folder of the host into the tree, with modes; all of it belongs to root. */
  copyIn(host: string, path: string): Promise<void>;
  /** Sets the permissions of what a path leads to. */
  setMode(path: string, mode: number): Promise<void>;
}

/** The folder on this host that stands for a tree's /etc, or undefined while that is at its own place. */
export function etcOf(root: string): string | undefined {
  const etc = join(root, 'usr/etc');
  return isFolder(join(root, 'usr')) && isFolder(etc) ? etc : undefined;
}

/** Opens a folder as a tree. */
export function openTree(root: string): Tree {
  const resolve = (path: string, lastLink: 'follow' | 'keep'): string => {
    const etc = etcOf(root);
    return resolveInRoot(root, path, { lastLink, ...(etc === undefined ? {} : { elsewhere: { etc } }) });
  };
  const at = (path: string) => resolve(path, 'follow');
  const entry = (path: string) => resolve(path, 'keep');
  const tree: Tree = {
    root,
    at,
    kind: (path) => kindAt(entry(path)),
    kindBehind: (path) => {
      const kind = kindAt(at(path));
      return kind === 'link' ? undefined : kind;
    },
    status: async (path) => lstatSync(entry(path), { throwIfNoEntry: false }),
    async names(path) {
      const real = at(path);
      if (kindAt(real) !== 'dir') return [];
      return (await readdir(real, { encoding: 'buffer' })).map((name) => nameOf(name, path)).sort();
    },
    target: (path) => told(path, () => readlink(entry(path))),
    async readText(path) {
      const real = at(path);
      const kind = kindAt(real);
      if (kind === undefined) return undefined;
      if (kind !== 'file') throw unfit(path, kind === 'dir' ? 'a folder, not a file' : 'neither file nor folder');
      return told(path, () => readFile(real, 'utf8'));
    },
    async writeText(path, text) {
      const real = await replaceable(path, at(path));
      await told(path, () => writeFile(real, text));
    },
    async makeFolder(path) {
      await told(path, () => mkdir(at(path), { recursive: true }));
    },
    async makeLink(path, target) {
      await tree.makeFolder(dirname(path));
      await told(path, () => symlink(target, entry(path)));
    },
    async remove(path) {
      const real = entry(path);
      if (real === root) throw unfit(path, 'the tree itself');
      await told(path, () => rm(real, { recursive: true, force: true }));
    },
    async move(from, to) {
      await tree.remove(to);
      await tree.makeFolder(dirname(to));
      await told(from, () => rename(entry(from), entry(to)));
    },
    async copy(from, to) {
      const real = at(from);
      if (kindAt(real) !== 'file') throw unfit(from, 'no file');
      await tree.remove(to);
      await tree.makeFolder(dirname(to));
      await told(to, () => copyFile(real, entry(to)));
    },
    async copyIn(host, path) {
      const info = await lstat(host);
      if (info.isDirectory()) {
        if (kindAt(at(path)) !== 'dir') await tree.remove(path);
        await tree.makeFolder(path);
        for (const name of await readdir(host)) await tree.copyIn(join(host, name), join(path, name));
      } else {
        if (kindAt(at(path)) === 'dir') throw unfit(path, 'a folder, and a file is to take its place');
        await tree.remove(path);
        await tree.makeFolder(dirname(path));
        const real = entry(path);
        if (info.isSymbolicLink()) return symlink(await readlink(host), real);
        await copyFile(host, real);
      }
      const real = at(path);
      await chown(real, 0, 0);
      await chmod(real, info.mode & 0o7777);
    },
    async setMode(path, mode) {
      await told(path, () => chmod(at(path), mode));
    },
  };
  /** Where a file may be written: its folder is made, and what is there must be a file. */
  const replaceable = async (path: string, real: string): Promise<string> => {
    const kind = kindAt(real);
    if (kind !== undefined && kind !== 'file')
      throw unfit(path, kind === 'dir' ? 'a folder' : 'neither file nor folder');
    await told(path, () => mkdir(dirname(real), { recursive: true }));
    return real;
  };
  return tree;
}

function kindAt(real: string): Kind | undefined {
  try {
    const info = lstatSync(real, { throwIfNoEntry: false });
    if (info === undefined) return undefined;
    if (info.isFile()) return 'file';
    if (info.isDirectory()) return 'dir';
    return info.isSymbolicLink() ? 'link' : 'other';
  } catch (error) {
    if (isErrno(error, 'ENOTDIR') || isErrno(error, 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

function isFolder(path: string): boolean {
  return kindAt(path) === 'dir';
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function nameOf(bytes: Uint8Array, folder: string): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    const shown = Buffer.from(bytes)
      .toString('latin1')
      .replace(/[^ -~]/g, escapeByte);
    throw new NightlyError('compose', `The tree has a name that is not UTF-8: ${join('/', folder, shown)}.`, {
      hint: 'OSTree cannot store it. Find the package or script it is from, and exclude or correct it.',
    });
  }
}

const escapeByte = (character: string): string => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;

const UNFIT = ['ENOENT', 'ENOTDIR', 'EISDIR', 'EEXIST', 'EINVAL', 'ELOOP', 'ENAMETOOLONG', 'EPERM'] as const;

/** Names the tree's path for what the tree itself is at fault for. */
async function told<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const code = UNFIT.find((one) => isErrno(error, one));
    if (code === undefined) throw error;
    throw new NightlyError('compose', `${join('/', path)} in the tree is not as it should be (${code}).`, {
      hint: 'Look at what the packages and scripts put there.',
      cause: error,
    });
  }
}

function unfit(path: string, what: string): NightlyError {
  return new NightlyError('compose', `${join('/', path)} in the tree is ${what}.`, {
    hint: 'Find the package or script that puts it there, and exclude or correct it.',
  });
}
