import { constants } from 'node:fs';
import { copyFile, link, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { isErrno, sizeIfThere } from '../../base/files.ts';
import { isNoLink } from '../../base/link-or-copy.ts';
import { inParallel } from '../../base/parallel.ts';
import type { Task } from '../../base/task.ts';
import { syncFileSystem } from '../../programs/sync.ts';
import type { SendStats } from '../target.ts';
import { asideOf, Folders, writeAside } from './write-aside.ts';

/** Files on their way at the same time: enough to keep a disk or a network mount busy. */
export const PARALLEL = 16;

/** Puts files under their final names, some at a time, and makes them durable. */
export async function placeAll(paths: readonly string[], how: Omit<Placed, 'path'>, task: Task): Promise<SendStats> {
  const { root, immutable } = how;
  const stats = { files: 0, bytes: 0 };
  const folders = new Folders(root);
  let done = 0;
  await inParallel(paths, { atATime: PARALLEL, signal: task.signal }, async (path) => {
    const bytes = await place({ ...how, path }, folders);
    if (bytes !== undefined) {
      stats.files += 1;
      stats.bytes += bytes;
    }
    done += 1;
    if (done % 200 === 0) task.progress(done, paths.length, 'objects');
  });
  // A linked file is as durable as whoever wrote it made it; one call is cheaper than one for each of them.
  if (immutable && stats.files > 0) await syncFileSystem(root, task);
  await folders.sync();
  task.signal.throwIfAborted();
  return stats;
}

/** A file to be put there, with the options of `send`. */
interface Placed {
  readonly sourceRoot: string;
  readonly root: string;
  readonly path: string;
  readonly immutable: boolean;
  readonly fresh: boolean;
}

/**
 * Puts a file under its final name, whole. Objects become hard links where both are on one file system: their content
 * never changes, wherever it is. Anything else is copied (by reference where the file system can), since an image or a
 * record of the same name may be written anew here while the published one is being downloaded.
 * @returns its size in bytes, or undefined when it was there.
 */
async function place(
  { sourceRoot, root, path, immutable, fresh }: Placed,
  folders: Folders,
): Promise<number | undefined> {
  if (path.endsWith('/')) {
    await folders.make(normalize(`${path}.`));
    return undefined;
  }
  const [from, to] = [join(sourceRoot, path), join(root, path)];
  const { size, mode } = await stat(from);
  const there = immutable ? await sizeIfThere(to) : undefined;
  if (fresh ? there !== undefined : there === size) return undefined;
  await folders.make(dirname(path));
  const mayLink = immutable && path.startsWith('repo/objects/') && (mode & 0o444) === 0o444;
  if (!(mayLink && (await linked(from, to, size)))) {
    const aside = await asideOf(root, path, folders);
    const isOurs = await intoPlace(to, aside, () => copyFile(from, aside, constants.COPYFILE_FICLONE), fresh);
    if (!isOurs) return undefined;
  }
  return size;
}

/**
 * Has a file written aside and renamed; where it must be `fresh`, linked, which fails where another file is.
 * @returns whether it is there under its name now
 */
async function intoPlace(
  to: string,
  aside: string,
  write: (aside: string) => Promise<void>,
  fresh: boolean,
): Promise<boolean> {
  try {
    await writeAside(aside, write);
    if (!fresh) await rename(aside, to);
    else if (await linkedFresh(aside, to)) await rm(aside);
    return true;
  } catch (error) {
    await rm(aside, { force: true });
    if (fresh && isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Whether it could be linked: a file system without links has it renamed. @throws EEXIST */
async function linkedFresh(aside: string, to: string): Promise<boolean> {
  try {
    await link(aside, to);
    return true;
  } catch (error) {
    if (!isNoLink(error)) throw error;
    await rename(aside, to);
    return false;
  }
}

async function linked(from: string, to: string, size: number): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    // Another publisher was faster, or a damaged object is in its place.
    if (isErrno(error, 'EEXIST')) return (await sizeIfThere(to)) === size;
    if (isNoLink(error)) return false;
    throw error;
  }
}
