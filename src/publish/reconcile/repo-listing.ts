import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { isChecksum, type ObjectType } from '../../ostree/objects.ts';
import type { Target, TargetFile } from '../../targets/target.ts';
import { ObjectTable } from './object-table.ts';

/** A target's `repo/`, listed once. Paths are relative to the target's root. */
export interface RepoListing {
  readonly objects: ObjectTable;
  /** Commits that are there. */
  readonly commits: readonly string[];
  /** Commits that a prune took away, as ostree itself marks them. */
  readonly pruned: ReadonlySet<string>;
  readonly refs: readonly string[];
  /** Static deltas, their indexes, and the files at the top, with their sizes in bytes. */
  readonly files: ReadonlyMap<string, number>;
  readonly foreign: readonly string[];
}

/** What ostree and publishers keep in a repository besides objects, refs and deltas. */
const OWN = /^repo\/(config|summary|summary\.sig|\.lock|(state|tmp|extensions)\/.*|refs\/(mirrors|remotes)\/.*)$/;
/** Written aside by a publisher or an rsync that was killed. */
const LEFTOVER = /\.\d+\.\d+\.tmp$|\/\.[^/]+\.[A-Za-z0-9]{6}$/;
const DELTA = /^repo\/(deltas\/[\w+]{2}\/[\w+]{41}(-[\w+]{43})?\/[\w.]+|delta-indexes\/[\w+]{2}\/[\w+]{41}\.index)$/;
const OBJECT =
  /^repo\/objects\/([0-9a-f]{2})\/([0-9a-f]{62})\.(filez|dirtree|dirmeta|commit|commitmeta|tombstone-commit)$/;

/** Lists it: the one request whose cost grows with the target. */
export async function listRepo(target: Target, task: Task): Promise<RepoListing> {
  const objects = new ObjectTable();
  const commits: string[] = [];
  const pruned = new Set<string>();
  const refs: string[] = [];
  const files = new Map<string, number>();
  const foreign: string[] = [];
  let count = 0;
  for await (const { path, bytes } of listOrNothing(target, 'repo', task)) {
    count += 1;
    if (count % 10_000 === 0) task.progress(count, undefined, 'objects');
    const [, first = '', rest = '', type] = OBJECT.exec(path) ?? [];
    if (type === 'tombstone-commit') pruned.add(first + rest);
    else if (type !== undefined && isChecksum(first + rest)) {
      objects.addListed(first + rest, type as ObjectType, bytes);
      if (type === 'commit') commits.push(first + rest);
    } else if (path.startsWith('repo/refs/heads/') && !LEFTOVER.test(path))
      refs.push(path.slice('repo/refs/heads/'.length));
    else if (OWN.test(path) || DELTA.test(path)) files.set(path, bytes);
    else foreign.push(path);
  }
  return { objects, commits, pruned, refs, files, foreign: foreign.sort() };
}

/** Returns the files below a folder of the target; none when the whole folder is lost. */
export async function* listOrNothing(target: Target, folder: string, task: Task): AsyncGenerator<TargetFile> {
  try {
    yield* target.list(folder, task);
  } catch (error) {
    const gone =
      error instanceof NightlyError && error.code === 'target-unreachable' && /No such file/i.test(error.message);
    if (!gone) throw error;
    task.say(`${target.describe()} has no ${folder}/`);
  }
}
