import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { checksumList } from '../ostree/checksums.ts';
import { objectPath } from '../ostree/objects.ts';
import type { NewObject } from '../ostree/tree-walk.ts';

/** Files of a publish that may be sent in any order. */
export interface PublishPhase {
  /** `commit` is the commit with its `.commitmeta`, which holds signatures; `deltas` are static deltas and their index. */
  readonly name: 'objects' | 'commit' | 'deltas';
  readonly paths: PathList;
  readonly bytes: number;
}

/** Paths that need not be in memory as text, which takes 100 MB a million. A plain list is one as well. */
export interface PathList extends Iterable<string> {
  readonly length: number;
}

const OBJECT_TYPES = ['filez', 'dirtree', 'dirmeta'] as const;

/** Collects objects; a commit among them is left out. @throws NightlyError `ostree` when the repository lacks one. */
export async function objectPhase(repo: string, objects: AsyncIterable<NewObject>, task: Task): Promise<PublishPhase> {
  const lists = { filez: checksumList(), dirtree: checksumList(), dirmeta: checksumList() };
  let [length, bytes] = [0, 0];
  for await (const { checksum, type, path } of objects) {
    task.signal.throwIfAborted();
    if (type === 'commit') continue;
    lists[type].push(checksum);
    bytes += bytesOf(repo, path);
    length += 1;
    if (length % 500 === 0) await nextTurn();
  }
  const paths = {
    length,
    *[Symbol.iterator]() {
      for (const type of OBJECT_TYPES) for (const checksum of lists[type]) yield objectPath(checksum, type);
    },
  };
  return { name: 'objects', paths, bytes };
}

/** Files named one by one. @throws NightlyError `ostree` when the repository lacks one. */
export function filePhase(name: PublishPhase['name'], repo: string, paths: readonly string[]): PublishPhase {
  return { name, paths, bytes: paths.reduce((sum, path) => sum + bytesOf(repo, path), 0) };
}

/** Returns how much a plan sends. */
export function planSize({ phases }: { readonly phases: readonly PublishPhase[] }): {
  readonly files: number;
  readonly bytes: number;
} {
  return {
    files: phases.reduce((sum, { paths }) => sum + paths.length, 0),
    bytes: phases.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Synchronous for the same reason as in localObjects: much faster. */
function bytesOf(repo: string, path: string): number {
  try {
    return statSync(join(repo, path)).size;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new NightlyError('ostree', `The commit to publish is not whole: ${repo} lacks ${path}.`, {
      hint: 'Compose it again.',
      cause: error,
    });
  }
}
