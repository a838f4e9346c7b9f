import { constants } from 'node:fs';
import { access, chmod, copyFile, link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DirectoryTargetConfig } from '../config/config.ts';
import { NightlyError } from '../errors.ts';
import { isErrno, syncFolder, writeFileAtomic } from '../tools/files.ts';
import { tryFlock } from '../tools/flock.ts';
import { holds, movedError } from './expect.ts';
import type { SendStats, Target } from './target.ts';

/** Held by flock while a swap is under way; a publisher that dies frees it. */
const LOCK = '.atomic-nightly.lock';

/** A folder on this machine, or mounted on it, that an operator's web server publishes. */
export function directoryTarget({ name, path: root, url }: DirectoryTargetConfig): Target {
  const read = (path: string): Promise<Uint8Array | undefined> =>
    readFile(join(root, path)).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
      throw faultOf(error, root, name);
    });
  return {
    name,
    publicUrl: url,
    describe: () => `directory ${root}`,
    async check() {
      try {
        await mkdir(root, { recursive: true });
        await access(root, constants.W_OK | constants.X_OK);
        await writeFileAtomic(join(root, '.atomic-nightly.check'), '');
        await rm(join(root, '.atomic-nightly.check'));
      } catch (error) {
        throw faultOf(error, root, name);
      }
    },
    read,
    async send(sourceRoot, paths, { immutable }, task) {
      const stats = { files: 0, bytes: 0 };
      const folders = new Set<string>();
      try {
        for (const [index, path] of paths.entries()) {
          task.signal.throwIfAborted();
          const [from, to] = [join(sourceRoot, path), join(root, path)];
          const { size } = await stat(from);
          if (!(immutable && (await sizeOf(to)) === size)) {
            await place(from, to, immutable);
            stats.files += 1;
            stats.bytes += size;
            folders.add(dirname(to));
          }
          if (index % 500 === 0) task.progress(index, paths.length, 'objects');
        }
        for (const folder of folders) await syncFolder(folder);
      } catch (error) {
        task.signal.throwIfAborted();
        throw faultOf(error, root, name);
      }
      return stats satisfies SendStats;
    },
    async swap({ expect, put }) {
      const free = await tryFlock(join(root, LOCK));
      if (!free) {
        throw new NightlyError('locked', `Another publisher is changing target "${name}" (${root}) right now.`, {
          hint: 'Run "atomic-nightly resume" in a minute.',
        });
      }
      try {
        for (const { path, content } of expect) {
          if (!holds(await read(path), content)) throw movedError(name, path);
        }
        for (const { path, content } of put) await writeFileAtomic(join(root, path), content);
      } catch (error) {
        throw faultOf(error, root, name);
      } finally {
        await free();
      }
    },
  };
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
}

/**
 * Puts a file under its final name whole: a hard link where both are on one file system and the file never changes,
 * else a synced copy (a reflink where the file system can).
 */
async function place(from: string, to: string, immutable: boolean): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const aside = `${to}.${process.pid}.tmp`;
  await rm(aside, { force: true });
  if (!(immutable && (await linked(from, aside)))) {
    await copyFile(from, aside, constants.COPYFILE_FICLONE);
    await chmod(aside, 0o644);
    const file = await open(aside, 'r');
    await file.sync().finally(() => file.close());
  }
  await rename(aside, to);
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    // Another file system, one without hard links, or too many links to one file: copy instead.
    if (['EXDEV', 'EPERM', 'ENOTSUP', 'EMLINK'].some((code) => isErrno(error, code))) return false;
    throw error;
  }
}

function faultOf(error: unknown, root: string, name: string): unknown {
  if (error instanceof NightlyError || !(error instanceof Error)) return error;
  const why = `Target "${name}", directory ${root}: ${error.message}.`;
  if (['EACCES', 'EPERM', 'EROFS'].some((code) => isErrno(error, code))) {
    const hint = 'Give the user that runs this write access to that folder.';
    return new NightlyError('target-permission', why, { hint, cause: error });
  }
  if (isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT')) {
    const hint = 'Free some space there, then run "atomic-nightly resume".';
    return new NightlyError('disk-full', why, { hint, cause: error });
  }
  const hint = 'Check that the folder exists, is a folder, and is mounted.';
  return new NightlyError('target-unreachable', why, { hint, cause: error });
}
