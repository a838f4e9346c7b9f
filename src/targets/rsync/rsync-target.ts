import { lstat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { bytesIfThere, ifThere, withTemporaryFolder, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { RsyncTargetConfig } from '../../config/config.ts';
import { isSshDestination } from '../../config/targets.ts';
import { remoteFault } from '../../programs/remote-fault.ts';
import {
  type LeftOut,
  type RsyncCompare,
  type RsyncRemote,
  rsyncCompare,
  rsyncFetch,
  rsyncFetchWithLinks,
  rsyncList,
  rsyncRemove,
  rsyncSend,
  rsyncTryRemove,
} from '../../programs/rsync.ts';
import { accountOf, type SshAccess, sshArguments } from '../../programs/ssh.ts';
import { sharedSsh } from '../../programs/ssh-shared.ts';
import { contentEquals, MORE_THAN_READ, movedError, noFileError } from '../expect.ts';
import { LOCK_PATH } from '../lock-content.ts';
import { signedPairs } from '../signed-pairs.ts';
import type { ContentsAndLinks, PlainTarget, SmallFile } from '../target.ts';
import { type LockAccess, withRsyncLock } from './rsync-lock.ts';

/** An empty file that shows whether the target can be written to. */
const CHECK = '.atomic-nightly.check';

/**
 * Returns a folder on another host, reached with rsync alone: over ssh (an account restricted to `rrsync` will do) or a
 * daemon module. rsync writes each file aside and renames it, so every file is whole or absent. It has no
 * compare-and-swap: rsync-lock.ts says what stands in for it and what that cannot promise. Nor does it sync to disk on
 * the far side: after a power cut there, an empty object may stand under its name; it has another size, so a publish
 * that needs it sends it again. The account must own the published folders, for it sets their modes.
 */
export function rsyncTarget(config: RsyncTargetConfig): PlainTarget {
  const { name, destination, ssh, passwordFile, bandwidthLimit, url } = config;
  const plain: RsyncRemote = {
    destination,
    ...ssh,
    passwordFile,
    bandwidthLimit,
  };
  const connect = connector(plain, ssh);
  const noFile: NoFile = (path, what) => noFileError({ target: name, what, place: `${destination}/${path}` });
  const readMany = (paths: readonly string[], task: Task) =>
    connect(task, (remote) => readFiles(remote, paths, noFile, task));
  const put = (files: readonly SmallFile[], task: Task) => connect(task, (remote) => putFiles(remote, files, task));
  const putLock = (content: Uint8Array, compare: RsyncCompare, task: Task) =>
    connect(task, (remote) => putFreeLock(remote, content, compare, task));
  const lock: LockAccess = {
    target: name,
    take: async (content, task) => (await putLock(content, 'not newer', task)) > 0,
    read: async (task) => (await readMany([LOCK_PATH], task))[0],
    write: (content, task) => put([{ path: LOCK_PATH, content }], task),
    free: async (content, task) => void (await putLock(content, 'with its time', task)),
  };
  return {
    name,
    publicUrl: url,
    describe: () => `rsync ${destination}`,
    async check(task) {
      await put([{ path: CHECK, content: Buffer.from('') }], task);
      // What the far side cannot do should not come out in the middle of a prune.
      await connect(task, (remote) => rsyncTryRemove(remote, `${CHECK}.none`, task)).catch((error: unknown) => {
        // A mirror that only ever gains files is well served by an account that may not remove any.
        if (!(error instanceof NightlyError) || error.code !== 'target-permission') throw error;
        task.say(`${error.message} Publishing works; prune and reconcile will not. ${error.hint ?? ''}`.trim());
      });
    },
    read: async (path, task) => (await readMany([path], task))[0],
    readMany,
    readWithLinks: (paths, folder, task) =>
      connect(task, (remote) => readWithLinks(remote, { paths, folder }, noFile, task)),
    async send(sourceRoot, paths, { immutable, fresh }, task) {
      if (paths.length === 0) return { files: 0, bytes: 0 };
      const how = fresh ? 'any' : immutable ? 'size' : 'content';
      return connect(task, (remote) => rsyncSend(remote, sourceRoot, paths, how, task));
    },
    async compare(sourceRoot, paths, task) {
      if (paths.length === 0) return [];
      const other = await connect(task, (remote) => rsyncCompare(remote, sourceRoot, paths, task));
      return paths.map((path) => other.get(path) ?? 'same');
    },
    async *list(folder, task) {
      const files = await connect(task, (remote) => rsyncList(remote, folder, task));
      for (const { path, bytes } of files) yield { path, bytes };
    },
    async remove(paths, task) {
      if (paths.length > 0) await connect(task, (remote) => rsyncRemove(remote, paths, task));
    },
    async swap({ expect, ahead = [], put: files, seal }, task) {
      let found: readonly (Uint8Array | undefined)[] = [];
      const confirm = async (): Promise<Uint8Array | undefined> => {
        const [token, ...contents] = await readMany([LOCK_PATH, ...expect.map(({ path }) => path)], task);
        found = contents;
        return token;
      };
      await withRsyncLock(
        lock,
        confirm,
        async () => {
          for (const [index, { path, content }] of expect.entries()) {
            if (!contentEquals(found[index], content)) throw movedError(name, path);
          }
          if (ahead.length > 0) await put(ahead, task);
          // One transfer each: the order in which they appear counts. Two would be some tenths of a second apart.
          for (const together of signedPairs(files)) await put(together, task);
          for (const together of signedPairs((await seal?.()) ?? [])) await put(together, task);
        },
        task,
      );
    },
  };
}

/** Over ssh all transfers share one connection; a daemon takes one for each. */
function connector(plain: RsyncRemote, ssh: SshAccess) {
  const { destination } = plain;
  const shared = isSshDestination(destination)
    ? sharedSsh({
        args: (controlPath) => [...sshArguments(ssh, controlPath), '--', accountOf(destination)],
        fault: (error) => remoteFault(error, destination),
      })
    : undefined;
  return async <Result>(task: Task, work: (remote: RsyncRemote) => Promise<Result>): Promise<Result> => {
    if (!shared) return work(plain);
    return shared.use(task, (controlPath) => work({ ...plain, ...(controlPath && { controlPath }) }));
  };
}

/** Returns the failure for something else in a file's place. */
type NoFile = (path: string, what: string) => NightlyError;

async function readFiles(
  remote: RsyncRemote,
  paths: readonly string[],
  noFile: NoFile,
  task: Task,
): Promise<(Uint8Array | undefined)[]> {
  return withTemporaryFolder(async (folder) => {
    const leftOut = await rsyncFetch(remote, paths, folder, task);
    return Promise.all(paths.map((path) => readFetched(folder, path, leftOut, noFile)));
  });
}

/** @throws NightlyError `target-unreachable` for something else in its place: a publish would take it for absent. */
async function readFetched(
  folder: string,
  path: string,
  { strange, large }: LeftOut,
  noFile: NoFile,
): Promise<Uint8Array | undefined> {
  if (strange.has(path)) throw noFile(path, 'no regular file');
  if (large.has(path)) throw noFile(path, MORE_THAN_READ);
  const info = await ifThere(lstat(join(folder, path)));
  if (info?.isDirectory()) throw noFile(path, 'a folder');
  if (info?.isSymbolicLink()) throw noFile(path, 'a link');
  return info && bytesIfThere(join(folder, path));
}

/** What a link leads to is not fetched: who asks for links reads through none. */
async function readWithLinks(
  remote: RsyncRemote,
  { paths, folder }: { readonly paths: readonly string[]; readonly folder: string },
  noFile: NoFile,
  task: Task,
): Promise<ContentsAndLinks> {
  return withTemporaryFolder(async (into) => {
    const { links, ...leftOut } = await rsyncFetchWithLinks(remote, { paths, folder }, into, task);
    const isBehind = (path: string): boolean => [...links.keys()].some((link) => `${path}/`.startsWith(`${link}/`));
    const read = async (path: string) => (isBehind(path) ? undefined : readFetched(into, path, leftOut, noFile));
    return { contents: await Promise.all(paths.map(read)), links };
  });
}

async function putFiles(remote: RsyncRemote, files: readonly SmallFile[], task: Task): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    for (const { path, content } of files) await writeFileAtomic(join(folder, path), content);
    const paths = files.map(({ path }) => path);
    await rsyncSend(remote, folder, paths, paths.length > 1 ? 'together' : 'always', task);
  });
}

/**
 * The time of a lock file that is free, seconds since the epoch. One that somebody has, or that something else wrote,
 * is of the day it was written, so rsync by itself can leave that alone and replace this.
 */
const FREE_TIME = 1;

/** @returns how many files were written */
async function putFreeLock(
  remote: RsyncRemote,
  content: Uint8Array,
  compare: RsyncCompare,
  task: Task,
): Promise<number> {
  return withTemporaryFolder(async (folder) => {
    await writeFileAtomic(join(folder, LOCK_PATH), content);
    await utimes(join(folder, LOCK_PATH), FREE_TIME, FREE_TIME);
    return (await rsyncSend(remote, folder, [LOCK_PATH], compare, task)).files;
  });
}
