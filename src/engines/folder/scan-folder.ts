import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NightlyError } from '../../base/errors.ts';
import { isErrno } from '../../base/files.ts';
import { mountsIn } from '../../base/mounts.ts';
import type { Task } from '../../base/task.ts';
import { escapedName, utf8Name } from '../../base/utf8-name.ts';

/** Something in a folder that is to become a tree. Links are not followed, so none of them leads out of it (I13). */
export interface Entry {
  /** Absolute in the folder: `/usr/bin/sh`. */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link' | 'socket' | 'FIFO' | 'device';
  readonly stat: BigIntStats;
  /** Where a link leads. */
  readonly target?: string;
}

export interface Scan {
  readonly root: string;
  /** A folder before what is in it; the folder itself, `/`, first. */
  readonly entries: readonly Entry[];
  /** Paths with bytes that are no UTF-8, escaped; what is below such a folder is not looked at. */
  readonly strange: readonly string[];
  /** Files and folders that something is mounted on; what is in them is not looked at. */
  readonly mounts: readonly string[];
  /** Beginnings of paths that are longer than a program may name (PATH_MAX); what is below them is not looked at. */
  readonly deep: readonly string[];
  /** Milliseconds since the epoch, before the first was looked at. */
  readonly begun: number;
}

/**
 * Lists everything in a folder.
 * @param root absolute, without a link at its end
 * @throws NightlyError `compose` when something writes to it meanwhile
 */
export async function scanFolder(root: string, task: Task): Promise<Scan> {
  const begun = Date.now();
  const entries: Entry[] = [];
  const strange: string[] = [];
  const mounted = new Set(await mountsIn(root));
  const mounts: string[] = [];
  const deep: string[] = [];
  /** Looks at what was there a moment ago. */
  const look = <Seen>(path: string, seen: () => Seen): Seen | undefined => {
    try {
      return seen();
    } catch (error) {
      if (isErrno(error, 'ENAMETOOLONG')) deep.push(`${path.slice(0, 200)}…`);
      else if (GONE.some((code) => isErrno(error, code))) throw changedMeanwhile(root + path);
      else throw error;
      return undefined;
    }
  };
  const top = lstatSync(root, { bigint: true });
  const todo = [''];
  entries.push({ path: '/', kind: 'folder', stat: top });
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    task.signal.throwIfAborted();
    // Calls that wait for a thread take ten times as long; others get their turn once a folder.
    if (todo.length % 16 === 0) await nextTurn();
    const names = look(folder, () => readdirSync(`${root}${folder}/`, { encoding: 'buffer' })) ?? [];
    for (const bytes of names) {
      const name = utf8Name(bytes);
      if (name === undefined) {
        strange.push(`${folder}/${escapedName(bytes)}`);
        continue;
      }
      const path = `${folder}/${name}`;
      if (mounted.has(root + path)) {
        mounts.push(path);
        continue;
      }
      const stat = look(path, () => lstatSync(root + path, { bigint: true }));
      if (stat === undefined) continue;
      const kind = kindOf(stat);
      const target = kind === 'link' ? look(path, () => readlinkSync(root + path)) : undefined;
      entries.push({ path, kind, stat, ...(target === undefined ? {} : { target }) });
      if (kind === 'folder') todo.push(path);
    }
  }
  return { root, entries, strange, mounts, deep, begun };
}

/** What a call says of something that is no longer what it was: gone, or of another kind. */
const GONE = ['ENOENT', 'ENOTDIR', 'EINVAL'];

/** Returns the error for a folder that somebody writes to while it is read. @param path absolute */
export function changedMeanwhile(path: string): NightlyError {
  return new NightlyError('compose', `${path} changed while the folder was read.`, {
    hint: 'Build from a folder that nothing writes to meanwhile, then run again.',
  });
}

function kindOf(stat: BigIntStats): Entry['kind'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'folder';
  if (stat.isSymbolicLink()) return 'link';
  if (stat.isSocket()) return 'socket';
  return stat.isFIFO() ? 'FIFO' : 'device';
}

/** Changes with content, owner, mode and extended attributes: each of them sets the time of the last change of status. */
export function signature({ stat }: Entry): string {
  return [stat.dev, stat.ino, stat.size, stat.mode, stat.uid, stat.gid, stat.mtimeNs, stat.ctimeNs].join(' ');
}

/** Digest of everything that the file system says of a folder: equal as long as nothing in it changes. */
export function scanDigest({ root, entries, strange, mounts, deep }: Scan): string {
  const hash = createHash('sha256').update(JSON.stringify([root, strange, mounts, deep]));
  for (const entry of entries) hash.update(`${entry.path}\0${signature(entry)}\0`);
  return hash.digest('hex');
}
