import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../errors.ts';
import { type CommitInfo, localObjects, objectPath, readCommit } from '../ostree/objects.ts';
import { walkNew } from '../ostree/tree-walk.ts';
import type { Target } from '../targets/target.ts';
import type { Task } from '../tools/task.ts';
import { fetchCommit, publishedObjects } from './published.ts';

/**
 * What a publish will do, as plain data: a dry run prints it, `applyPublish` carries it out. Paths are relative to the
 * repository.
 */
export interface PublishPlan {
  readonly version: 1;
  readonly target: string;
  readonly ref: string;
  /** The commit the target's ref names now; undefined when it has no such ref. */
  readonly from?: string;
  readonly to: string;
  /** Sent in this order, each phase whole before the next begins. */
  readonly phases: readonly PublishPhase[];
}

export interface PublishPhase {
  readonly name: 'content' | 'trees' | 'commit';
  readonly paths: readonly string[];
  readonly bytes: number;
}

export interface PublishRequest {
  /** The local archive repository that has the commit. */
  readonly repo: string;
  readonly ref: string;
  readonly commit: string;
  readonly target: Target;
}

/**
 * Finds out what a target lacks of a commit, without listing it: the new tree is compared with the one the target's ref
 * names, whose folders are fetched over the public URL where they are not here.
 * @throws NightlyError `target-moved` when the target's commit is not the new one's parent, `target-older` when the new
 *   commit is older than what is published (I5).
 */
export async function planPublish({ repo, ref, commit, target }: PublishRequest, task: Task): Promise<PublishPlan> {
  const published = await target.read(`repo/refs/heads/${ref}`, task);
  const from = published && new TextDecoder().decode(published).trim();
  const known = { version: 1, target: target.name, ref, to: commit, ...(from === undefined ? {} : { from }) } as const;
  if (from === commit) return { ...known, phases: [] };
  const next = await readCommit(repo, commit);
  const before = from === undefined ? undefined : await fetchCommit(repo, from, target, task);
  refuse(next, before, target, ref);
  const phases = { content: new Phase(), trees: new Phase(), commit: new Phase() };
  const sources = { readNew: localObjects(repo), readOld: publishedObjects(repo, target, task) };
  for await (const { path, type } of walkNew(commit, from, sources)) {
    task.signal.throwIfAborted();
    if (type !== 'commit') await phases[type === 'filez' ? 'content' : 'trees'].add(repo, path);
  }
  // The signature first: a client that sees the commit must find it.
  const signature = objectPath(commit, 'commitmeta');
  if (existsSync(join(repo, signature))) await phases.commit.add(repo, signature);
  await phases.commit.add(repo, objectPath(commit, 'commit'));
  const names = ['content', 'trees', 'commit'] as const;
  return { ...known, phases: names.map((name) => ({ name, paths: phases[name].paths, bytes: phases[name].bytes })) };
}

class Phase {
  readonly paths: string[] = [];
  bytes = 0;

  async add(repo: string, path: string): Promise<void> {
    this.paths.push(path);
    this.bytes += (await stat(join(repo, path))).size;
  }
}

function refuse(next: CommitInfo, before: CommitInfo | undefined, target: Target, ref: string): void {
  const name = ({ version, checksum }: CommitInfo) => version ?? checksum.slice(0, 12);
  if (before && before.timestamp >= next.timestamp) {
    throw new NightlyError(
      'target-older',
      `Target "${target.name}" has ${name(before)} of ${date(before)} at ${ref}; ${name(next)} of ${date(next)} is older, so publishing it would take clients back in time.`,
      { hint: 'Run "atomic-nightly nightly" for a new build on top of what is published.' },
    );
  }
  if (before?.checksum !== next.parent) {
    throw new NightlyError(
      'target-moved',
      `Target "${target.name}" has ${before ? name(before) : 'no commit'} at ${ref}, but ${name(next)} follows ${next.parent ?? 'nothing'}: somebody else published meanwhile.`,
      { hint: 'Run "atomic-nightly nightly" for a new build on top of what is published now.' },
    );
  }
}

const date = ({ timestamp }: CommitInfo): string => new Date(timestamp * 1000).toISOString();
