import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { checkedObject, localObjects, objectPath, parseCommit } from '../../ostree/objects.ts';
import type { Target } from '../../targets/target.ts';
import type { RefHistory } from './retention.ts';

/** What a prune needs to know of a commit. */
export interface CommitRecord {
  readonly checksum: string;
  readonly parent?: string | undefined;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly version?: string | undefined;
  /** Checksums of its root folder's dirtree and dirmeta. */
  readonly tree: string;
  readonly meta: string;
  /** The commit that this one is a release of. */
  readonly promotionOf?: string;
}

/** Reads commits of a target, each once; undefined for one that it does not have. */
export type ReadCommits = (checksums: readonly string[]) => Promise<(CommitRecord | undefined)[]>;

/** Commits asked for in one go. */
const BATCH = 64;

/**
 * Reads commits from the target itself: a prune must know what is there, and neither the local repository nor a cache in
 * front of the target does. The local repository only tells what will be asked for next, so that a history of a hundred
 * nights takes two round trips.
 * @throws NightlyError `ostree` when a commit there is damaged.
 */
export function commitReader(repo: string, target: Target, task: Task): ReadCommits {
  const known = new Map<string, CommitRecord | undefined>();
  const local = localObjects(repo);
  const ancestors = async (checksum: string): Promise<string[]> => {
    const found: string[] = [];
    for (let at: string | undefined = checksum; at && !known.has(at) && found.length < BATCH; ) {
      found.push(at);
      const bytes = await local(at, 'commit');
      at = bytes && parseCommit(at, bytes).parent;
    }
    return found;
  };
  return async (checksums) => {
    for (const checksum of checksums) {
      if (known.has(checksum)) continue;
      const wanted = await ancestors(checksum);
      const contents = await target.readMany(
        wanted.map((commit) => `repo/${objectPath(commit, 'commit')}`),
        task,
      );
      wanted.forEach((commit, index) => {
        known.set(commit, record(commit, contents[index], target));
      });
    }
    return checksums.map((checksum) => known.get(checksum));
  };
}

/**
 * Returns a ref's commits over their parents, newest first. It ends where a parent is not there: it went in an earlier
 * prune, or was never published.
 * @throws NightlyError `ostree` when the ref's own commit is missing.
 */
export async function readHistory(
  ref: string,
  named: string,
  read: ReadCommits,
  target: Target,
): Promise<RefHistory<CommitRecord>> {
  const commits: CommitRecord[] = [];
  for (let at: string | undefined = named; at; ) {
    const [commit] = await read([at]);
    if (!commit) break;
    commits.push(commit);
    at = commit.parent;
  }
  if (commits.length > 0) return { ref, commits };
  throw missingCommit(target, named, `which its ref ${ref} names`);
}

/** A commit that must be there is not. */
export function missingCommit(target: Target, commit: string, why: string): NightlyError {
  return new NightlyError(
    'ostree',
    `Target "${target.name}" does not have the commit ${commit}, ${why}. Nothing was removed.`,
    { hint: `Look at it with "atomic-nightly verify ${target.name}" and repair it first.` },
  );
}

function record(checksum: string, bytes: Uint8Array | undefined, target: Target): CommitRecord | undefined {
  if (!bytes) return undefined;
  checkedObject(bytes, checksum, 'commit', target.describe());
  const { parent, timestamp, version, rootTree, rootMeta, metadata } = parseCommit(checksum, bytes);
  const promotion = metadata.get('atomic-nightly.promotion-of');
  return {
    checksum,
    timestamp,
    tree: rootTree,
    meta: rootMeta,
    parent,
    version,
    ...(typeof promotion?.value === 'string' ? { promotionOf: promotion.value } : {}),
  };
}
