import { type Dirent, renameSync } from 'node:fs';
import { open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { READ_ONLY_HINT } from '../../base/as-nightly-error.ts';
import { NightlyError } from '../../base/errors.ts';
import {
  bytesIfThere,
  ifThere,
  isErrno,
  isFullDisk,
  linksBelow,
  NO_FILE,
  sha256File,
  sizeIfThere,
  syncFolder,
  TOO_LARGE,
} from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import { MOST_READ_BYTES } from '../../base/read-limit.ts';
import type { DirectoryTargetConfig } from '../../config/config.ts';
import { makeLockFile, tryFlock } from '../../programs/flock.ts';
import { contentEquals, MORE_THAN_READ, movedError, noFileError } from '../expect.ts';
import { LOCK_PATH } from '../lock-content.ts';
import { signedPairs } from '../signed-pairs.ts';
import type { Compared, PlainTarget, SmallFile, SwapRequest } from '../target.ts';
import { PARALLEL, placeAll } from './place-files.ts';
import { asideOf, Folders, tidyAside, writeAside } from './write-aside.ts';

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
        throw noFileThere(join(root, path), name, error) ?? error;
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

/** Links in a circle lead to nothing, as for a web server. */
async function readThere(path: string): Promise<Uint8Array | undefined> {
  return unlessCircle(bytesIfThere(path, MOST_READ_BYTES));
}

const NOT_A_RECORD = { EISDIR: 'a folder', [NO_FILE]: 'a FIFO or a device', [TOO_LARGE]: MORE_THAN_READ };

/** Returns the failure for what stands in a file's place; undefined for another fault. */
function noFileThere(path: string, name: string, cause: unknown): NightlyError | undefined {
  const found = Object.entries(NOT_A_RECORD).find(([code]) => isErrno(cause, code));
  return found && noFileError({ target: name, what: found[1], place: path, cause });
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
