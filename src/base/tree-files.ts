import { constants, type Stats } from 'node:fs';
import { chmod, copyFile, lstat, open, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from './errors.ts';
import { isErrno, makeFolder } from './files.ts';
import { escapedName, utf8Name } from './utf8-name.ts';

/**
 * Reading and writing what is in a tree (I13). Paths come from the resolver (paths-in-root.ts); a link at the end of one is
 * never followed here, so that a path which was not resolved cannot lead to the host. Nothing but a regular file is
 * opened: a FIFO, which a script of a package may leave behind, would be waited for without an end.
 */

/** What is at a path of a tree. */
export type TreeKind = 'file' | 'dir' | 'link' | 'other';

/** Returns a path's kind, or undefined when there is nothing. Links are not followed. */
export async function kindOf(path: string): Promise<TreeKind | undefined> {
  const info = await look(path);
  if (info === undefined) return undefined;
  if (info.isFile()) return 'file';
  if (info.isDirectory()) return 'dir';
  return info.isSymbolicLink() ? 'link' : 'other';
}

async function look(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * Names in a folder, sorted by code unit; empty when there is no such folder, or a link in its place.
 * @throws NightlyError `compose` when one is not UTF-8: OSTree cannot store it.
 */
export async function namesIn(path: string): Promise<string[]> {
  if ((await kindOf(path)) !== 'dir') return [];
  return (await readdir(path, { encoding: 'buffer' })).map((name) => nameOf(name, path)).sort();
}

function nameOf(bytes: Uint8Array, folder: string): string {
  const name = utf8Name(bytes);
  if (name !== undefined) return name;
  throw new NightlyError('compose', `The tree has a name that is not UTF-8: ${join(folder, escapedName(bytes))}.`, {
    hint: 'OSTree cannot store it. Find the package or script it is from, and exclude or correct it.',
  });
}

/** Returns the content of a file as text; undefined when there is none. @throws NightlyError `compose` when it is not a file. */
export async function readInTree(path: string): Promise<string | undefined> {
  return (await bytesInTree(path))?.toString('utf8');
}

/** Returns the content of a file; undefined when there is none. @throws NightlyError `compose` when it is not a file. */
export async function bytesInTree(path: string): Promise<Buffer | undefined> {
  if (!(await isFileThere(path))) return undefined;
  const file = await open(path, constants.O_RDONLY | SAFE);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/**
 * Writes into a file that keeps its owner and mode.
 * @throws NightlyError `compose` when there is no such file, or something else in its place.
 */
export async function rewriteInTree(path: string, content: string): Promise<void> {
  if (!(await isFileThere(path))) throw new NightlyError('compose', `${path} is missing, but must be changed.`);
  const file = await open(path, constants.O_WRONLY | constants.O_TRUNC | SAFE);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
}

/**
 * Writes a file in place of a file, a link or nothing, and the folders above it.
 * @param mode permission bits
 * @throws NightlyError `compose` when there is a folder.
 */
export async function replaceInTree(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await clear(path);
  await writeFile(path, content, { flag: 'wx' });
  await chmod(path, mode);
}

/** Makes a folder, and those above it. @throws NightlyError `compose` when something else is in the place of one. */
export async function folderInTree(path: string): Promise<void> {
  try {
    await makeFolder(path);
  } catch (error) {
    if (!isErrno(error, 'EEXIST') && !isErrno(error, 'ENOTDIR')) throw error;
    throw new NightlyError('compose', `${path} cannot be made: it, or what it lies in, is not a folder in the tree.`, {
      hint: FIND,
      cause: error,
    });
  }
}

/** Makes a symbolic link in place of whatever is there, a folder with all in it too, and the folders above it. */
export async function linkInTree(path: string, target: string): Promise<void> {
  await folderInTree(dirname(path));
  await rm(path, { recursive: true, force: true });
  await symlink(target, path);
}

/**
 * Copies a file, with its mode, in place of a file, a link or nothing, and makes the folders above that.
 * @throws NightlyError `compose` when the first is not a file, or the second a folder.
 */
export async function copyInTree(from: string, to: string): Promise<void> {
  await requireFile(from);
  await clear(to);
  await copyFile(from, to, constants.COPYFILE_EXCL);
}

/** Sets the permission bits of a file. @throws NightlyError `compose` when it is none. */
export async function setModeInTree(path: string, mode: number): Promise<void> {
  await requireFile(path);
  await chmod(path, mode);
}

/** @throws NightlyError `compose` unless a regular file is there. */
export async function requireFile(path: string): Promise<void> {
  if (!(await isFileThere(path))) throw new NightlyError('compose', `${path} is not there, and a file is needed.`);
}

/**
 * Checks a folder whose files a program of this host is to open by itself, which follows links and waits for FIFOs.
 * @throws NightlyError `compose` naming everything in the folder that is neither a file nor a folder.
 */
export async function requirePlainFiles(folder: string): Promise<void> {
  const strange: string[] = [];
  for (const name of await namesIn(folder)) {
    const info = await look(join(folder, name));
    if (info !== undefined && !info.isFile() && !info.isDirectory()) strange.push(`${name} is ${nameOfKind(info)}`);
  }
  if (strange.length === 0) return;
  throw new NightlyError('compose', `Not all in ${folder} are files:\n  ${strange.join('\n  ')}`, { hint: FIND });
}

const SAFE = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

const FIND = 'Find the package or script that makes it, and exclude or correct it.';

async function isFileThere(path: string): Promise<boolean> {
  const info = await look(path);
  if (info === undefined || info.isFile()) return info !== undefined;
  throw new NightlyError('compose', `${path} is ${nameOfKind(info)}, and a file is needed.`, { hint: FIND });
}

function nameOfKind(info: Stats): string {
  if (info.isDirectory()) return 'a folder';
  if (info.isSymbolicLink()) return 'a symbolic link';
  if (info.isFIFO()) return 'a FIFO';
  return info.isSocket() ? 'a socket' : 'a device';
}

/** Makes room for a file. A folder there is somebody's mistake: what is in it would be gone without a word. */
async function clear(path: string): Promise<void> {
  await folderInTree(dirname(path));
  if ((await kindOf(path)) === 'dir') await isFileThere(path);
  await rm(path, { force: true });
}
