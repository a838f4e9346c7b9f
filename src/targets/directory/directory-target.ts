import { constants, type Dirent, renameSync } from 'node:fs';
import { chmod, copyFile, link, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, normalize, relative } from 'node:path';
import { READ_ONLY_HINT } from '../../base/as-nightly-error.ts';
import { NightlyError } from '../../base/errors.ts';
import {
  bytesIfThere,
  ifThere,
  isErrno,
  isFullDisk,
  linksBelow,
  makeFolder,
  NO_FILE,
  sha256File,
  sizeIfThere,
  syncFolder,
} from '../../base/files.ts';
import { isNoLink } from '../../base/link-or-copy.ts';
import { inParallel } from '../../base/parallel.ts';
import type { Task } from '../../base/task.ts';
import type { DirectoryTargetConfig } from '../../config/config.ts';
import { makeLockFile, tryFlock } from '../../programs/flock.ts';
import { syncFileSystem } from '../../programs/sync.ts';
import { contentEquals, movedError } from '../expect.ts';
import { LOCK_PATH } from '../lock-content.ts';
import { signedPairs } from '../signed-pairs.ts';
import type { Compared, PlainTarget, SendStats, SmallFile, SwapRequest } from '../target.ts';

/** Folder for files that are still incomplete; only the publishing account may enter it. */
const ASIDE = '.atomic-nightly';

/** Files on their way at the same time: enough to keep a disk or a network mount busy. */
const PARALLEL = 16;

/** Returns a folder on this machine, or mounted on it, that an operator's web server publishes. */
export function directoryTarget({ name, path: root, url }: DirectoryTargetConfig): PlainTarget {
  const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw faultOf(error, root, name);
    }
  };
  const read = (path: string): Promise<Uint8Array | undefined> =>
    guarded(() =>
      readThere(join(root, path)).catch((error: unknown) => {
        throw isErrno(error, 'EISDIR') || isErrno(error, NO_FILE) ? noFileThere(join(root, path), name, error) : error;
      }),
    );
  return {
    name,
    publicUrl: url,
    describe: () => `directory ${root}`,
    check: () =>
      guarded(async () => {
        await openLockFile(root);
        await tidyAside(root);
      }),
    read,
    readMany: (paths) => Promise.all(paths.map(read)),
    readWithLinks: async (paths, folder) => ({
      contents: await Promise.all(paths.map(read)),
      links: await guarded(() => linksBelow(root, folder)),
    }),
    send: (sourceRoot, paths, { immutable, fresh = false }, task) =>
      guarded(() => placeAll(paths, { sourceRoot, root, immutable, fresh }, task)),
    compare: (sourceRoot, paths, task) =>
      guarded(async () => {
        const compared: Compared[] = [];
        for (const path of paths) {
          task.signal.throwIfAborted();
          compared.push(await compareFiles(join(sourceRoot, path), join(root, path)));
        }
        return compared;
      }),
    swap: (request) =>
      guarded(async () => {
        await openLockFile(root);
        // A publisher that dies frees it.
        const free = await tryFlock(join(root, LOCK_PATH));
        if (!free) {
          throw new NightlyError('locked', `Another publisher is changing target "${name}" (${root}) right now.`, {
            hint: 'Run "atomic-nightly resume" in a minute.',
          });
        }
        try {
          await checkAndPut(request, root, name, read);
        } finally {
          await free();
        }
      }),
    async *list(folder, task) {
      const options = { recursive: true, withFileTypes: true } as const;
      const entries = await guarded(() => ifThere(readdir(join(root, folder), options)));
      for (const entry of entries ?? []) {
        task.signal.throwIfAborted();
        const path = join(entry.parentPath, entry.name);
        const bytes = await guarded(() => sizeOfFile(entry, path));
        if (bytes !== undefined) yield { path: relative(root, path), bytes };
      }
    },
    remove: (paths, task) =>
      guarded(async () => {
        const limits = { atATime: PARALLEL, signal: task.signal };
        await inParallel(paths, limits, (path) => rm(join(root, path), { force: true }));
      }),
  };
}

/** Puts files under their final names, some at a time, and makes them durable. */
async function placeAll(paths: readonly string[], how: Omit<Placed, 'path'>, task: Task): Promise<SendStats> {
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

async function checkAndPut(
  { expect, ahead = [], put, seal }: SwapRequest,
  root: string,
  name: string,
  read: (path: string) => Promise<Uint8Array | undefined>,
): Promise<void> {
  for (const { path, content } of expect) {
    if (!contentEquals(await read(path), content)) throw movedError(name, path);
  }
  const folders = new Folders(root);
  // Each waits for a disk; what is sealed is put behind what goes ahead, and need not be made behind it.
  const [inPlace, sealed] = await Promise.allSettled([putTogether(ahead, root, folders), seal?.()]);
  if (inPlace.status === 'rejected') throw inPlace.reason;
  if (sealed.status === 'rejected') throw sealed.reason;
  for (const group of signedPairs([...put, ...(sealed.value ?? [])])) await putTogether(group, root, folders);
}

async function putTogether(group: readonly SmallFile[], root: string, folders: Folders): Promise<void> {
  const asides = await Promise.all(
    group.map(async ({ path }) => {
      await folders.make(dirname(path));
      return asideOf(root, path, folders);
    }),
  );
  const written = await Promise.allSettled(
    group.map(({ content }, index) => writeAside(asides[index] ?? '', (to) => writeFile(to, content))),
  );
  try {
    const failed = written.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
    // System calls without anything in between: hardly a kill comes between a signature and what it signs.
    for (const [index, aside] of asides.entries()) renameSync(aside, join(root, group[index]?.path ?? ''));
  } catch (error) {
    for (const aside of asides) await rm(aside, { force: true });
    throw error;
  }
  // Before the next one: after a power cut, too, the order must hold.
  const changed = new Set(group.map(({ path }) => dirname(join(root, path))));
  await Promise.all([...changed].map(syncFolder));
}

/** Whether the target can be written to at all, told by the file every publisher needs. */
async function openLockFile(root: string): Promise<void> {
  await new Folders(root).make('.');
  const path = join(root, LOCK_PATH);
  await makeLockFile(path);
  await (await open(path, 'a')).close();
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

/** Links in a circle lead to nothing, as for a web server. */
async function readThere(path: string): Promise<Uint8Array | undefined> {
  return unlessCircle(bytesIfThere(path));
}

function noFileThere(path: string, name: string, cause: unknown): NightlyError {
  const what = isErrno(cause, 'EISDIR') ? 'a folder' : 'a FIFO or a device';
  return new NightlyError('target-unreachable', `Target "${name}" has ${what} where a file should be: ${path}`, {
    hint: 'Find out who made it, and move it away; then "atomic-nightly resume", or "atomic-nightly publish --reconcile", puts the file there.',
    cause,
  });
}

async function unlessCircle<Result>(work: Promise<Result>): Promise<Result | undefined> {
  return work.catch((error: unknown) => {
    if (isErrno(error, 'ELOOP')) return undefined;
    throw error;
  });
}

/** A link to a file is one, as for a web server: `ostree refs --alias` makes such. */
async function sizeOfFile(entry: Dirent, path: string): Promise<number | undefined> {
  if (entry.isFile()) return sizeIfThere(path);
  if (!entry.isSymbolicLink()) return undefined;
  const found = await unlessCircle(ifThere(stat(path)));
  return found?.isFile() ? found.size : undefined;
}

async function compareFiles(near: string, far: string): Promise<Compared> {
  const there = await ifThere(stat(far));
  const here = await stat(near);
  if (there === undefined || (there.size === 0 && here.size > 0)) return 'absent';
  if (there.ino === here.ino && there.dev === here.dev) return 'same';
  if (!there.isFile() || there.size !== here.size) return 'different';
  return (await sha256File(near)) === (await sha256File(far)) ? 'same' : 'different';
}

/** Two publishes of this process may write one path at the same time. */
let asideCount = 0;

/**
 * Returns where a file is written until it is whole: where no web server shows what a kill leaves of one. In the
 * repository it must not look like a ref to ostree either, so there it is ostree's own folder for such files, which
 * ostree tidies up.
 */
async function asideOf(root: string, path: string, folders: Folders): Promise<string> {
  asideCount += 1;
  const name = `${basename(path)}.${process.pid}.${asideCount}.tmp`;
  if (path.startsWith('repo/')) {
    await folders.make('repo/tmp');
    return join(root, 'repo/tmp', name);
  }
  await makeFolder(join(root, ASIDE), 0o700);
  return join(root, ASIDE, name);
}

/** Removes what publishers that were killed left aside a day ago or longer. */
async function tidyAside(root: string): Promise<void> {
  const before = Date.now() - 86_400_000;
  for (const name of (await ifThere(readdir(join(root, ASIDE)))) ?? []) {
    const path = join(root, ASIDE, name);
    const there = await ifThere(stat(path));
    if (there && there.mtimeMs < before) await rm(path, { force: true });
  }
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

/** Has a file written, makes it world-readable and durable. */
async function writeAside(aside: string, write: (aside: string) => Promise<void>): Promise<void> {
  await write(aside);
  await chmod(aside, 0o644);
  const file = await open(aside, 'r');
  await file.sync().finally(() => file.close());
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

/** Folders of a target: each made once, readable for the web server whatever the umask, and synced at the end. */
class Folders {
  readonly #root: string;
  readonly #made = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes a folder (relative to the target's root) with those above it. */
  make(path: string): Promise<void> {
    const known = this.#made.get(path);
    if (known !== undefined) return known;
    const making = path === '.' ? this.#makeRoot() : this.make(dirname(path)).then(() => this.#makeOne(path));
    this.#made.set(path, making);
    return making;
  }

  async sync(): Promise<void> {
    for (const path of this.#made.keys()) await syncFolder(join(this.#root, path));
  }

  async #makeRoot(): Promise<void> {
    const first = await makeFolder(this.#root);
    if (first !== undefined) await chmod(this.#root, 0o755);
  }

  async #makeOne(path: string): Promise<void> {
    try {
      await mkdir(join(this.#root, path));
      await chmod(join(this.#root, path), 0o755);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }
}

function faultOf(error: unknown, root: string, name: string): unknown {
  if (error instanceof NightlyError || !(error instanceof Error) || !('code' in error)) return error;
  if (isElsewhere(error, root)) return error;
  const why = `Target "${name}", directory ${root}: ${error.message}.`;
  if (isErrno(error, 'EROFS')) {
    return new NightlyError('target-permission', why, { hint: READ_ONLY_HINT, cause: error });
  }
  if (['EACCES', 'EPERM'].some((code) => isErrno(error, code))) {
    const hint = 'Give the user that runs this write access to that folder.';
    return new NightlyError('target-permission', why, { hint, cause: error });
  }
  if (isFullDisk(error)) {
    const hint = 'Free some space there, then run "atomic-nightly resume".';
    return new NightlyError('disk-full', why, { hint, cause: error });
  }
  const hint = 'Check that the folder exists, is a folder, and is mounted.';
  return new NightlyError('target-unreachable', why, { hint, cause: error });
}

/** Whether the system names another place: what is done while the target is locked may write to the work folder, too. */
function isElsewhere(error: Error, root: string): boolean {
  if (!isFullDisk(error) && !['EROFS', 'EACCES', 'EPERM'].some((code) => isErrno(error, code))) return false;
  return error.message.includes("'/") && !error.message.includes(`'${root}`);
}
