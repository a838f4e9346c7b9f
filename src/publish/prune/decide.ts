import type { Task } from '../../base/task.ts';
import { isBuildId } from '../../build/build-id.ts';
import type { TargetRetention } from '../../config/config.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import type { RetiredCommit, RetiredFile } from '../../published/retired.ts';
import { PROMOTED_PATH } from '../../published/retired.ts';
import type { Signer } from '../../signing/signer.ts';
import type { Target } from '../../targets/target.ts';
import type { LogGate } from '../log/logged.ts';
import { type CommitRecord, commitReader, missingCommit, type ReadCommits, readHistory } from './history.ts';
import { readTargetState, type TargetState } from './prune-state.ts';
import { type KeepReason, keptCommits, type RefHistory } from './retention.ts';

export interface PruneRequest {
  /** Asked before anything goes. */
  readonly log: LogGate;
  readonly target: Target;
  readonly retention: TargetRetention;
  /** Whether commits are published there. Default: yes. */
  readonly hasTree?: boolean;
  /** The local archive repository, named `repo`: the published one's twin. */
  readonly repo: string;
  /** Folder for a few small files before they are sent. */
  readonly scratchDir: string;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Judges records before they decide what goes; without it, all are believed. */
  readonly trust?: RecordTrust | undefined;
  /** Commits that were promoted from here: they stay where they are, whether the target says so or not. */
  readonly promoted?: readonly string[];
  /** Builds that somebody here gave a name of their own: what of them is there stays. */
  readonly tagged?: readonly TaggedBuild[];
  /** Signs the index and the catalogues that lose something, and what is remembered. */
  readonly signer?: Signer | undefined;
}

/** A build with a tag. */
export interface TaggedBuild {
  readonly id: string;
  /** One for each of its architectures, where it has one. */
  readonly commits: readonly string[];
  readonly tags: readonly string[];
}

/** Which commits of a target stay, which are given up, and which go now. */
export interface PruneDecision {
  readonly state: TargetState;
  /** Newest first; with commits that a walk from the ref does not find any more. */
  readonly histories: readonly RefHistory<CommitRecord>[];
  readonly kept: ReadonlyMap<string, ReadonlySet<KeepReason>>;
  /** The records of those that stay. */
  readonly stays: ReadonlyMap<string, CommitRecord>;
  /** Given up: these wait for the end of the grace period. */
  readonly waits: ReadonlyMap<string, RetiredCommit>;
  readonly goes: ReadonlyMap<string, RetiredCommit>;
  /** What is to be remembered before anything goes, and after it went. */
  readonly marked: RetiredFile;
  readonly removed: RetiredFile;
}

/**
 * Decides by the target's own refs and records. Nothing is written.
 * @throws NightlyError `config` for a ref without a policy, `ostree` for a target that is damaged (I8: then nothing goes).
 */
export async function decidePrune(request: PruneRequest, task: Task): Promise<PruneDecision> {
  const { target, retention, repo, now } = request;
  const state = await readTargetState(target, request, task);
  const read = commitReader(repo, target, task);
  const walks: RefHistory<CommitRecord>[] = [];
  for (const [ref, commits] of state.refs) {
    for (const commit of commits) walks.push(await readHistory(ref, commit, read, target));
  }
  const records = new Map(walks.flatMap(({ commits }) => commits.map((commit) => [commit.checksum, commit])));
  const strays = await findStrays(state, records, read);
  const histories = withStrays(walks, strays);
  for (const stray of strays) records.set(stray.checksum, stray);
  const kept = await keep(
    { histories, policies: retention.refs, now, target: target.name },
    {
      promoted: state.promoted,
      own: request.promoted ?? [],
      tagged: (request.tagged ?? []).flatMap(({ commits }) => commits),
    },
    read,
    target,
  );
  for (const checksum of kept.keys()) {
    const [commit] = records.has(checksum) ? [] : await read([checksum]);
    if (commit) records.set(checksum, commit);
  }

  const sorts = sortCommits(records, { state, kept, histories }, request);
  const { stays, waits, goes } = sorts;
  const remember = (
    commits: ReadonlyMap<string, RetiredCommit>,
    without: ReadonlyMap<string, unknown>,
  ): RetiredFile => ({
    commits: sorted([...commits]),
    apart: sorted(separatedCommits(walks, strays, stays, without)),
    builds: state.retired.builds,
  });
  return {
    state,
    histories,
    kept,
    ...sorts,
    marked: remember(new Map([...waits, ...goes]), new Map()),
    removed: remember(waits, goes),
  };
}

/** Adds commits that no walk finds to the first history of their ref. */
function withStrays(
  walks: readonly RefHistory<CommitRecord>[],
  strays: readonly Stray[],
): readonly RefHistory<CommitRecord>[] {
  return walks.map(({ ref, commits }, index) => {
    const isFirst = walks.findIndex((walk) => walk.ref === ref) === index;
    return { ref, commits: [...commits, ...(isFirst ? strays.filter((stray) => stray.ref === ref) : [])] };
  });
}

/** Sorts commits into those that stay, those that wait for the end of the grace period, and those that go. */
function sortCommits(
  records: ReadonlyMap<string, CommitRecord>,
  { state, kept, histories }: Pick<PruneDecision, 'state' | 'kept' | 'histories'>,
  { retention, now }: PruneRequest,
): Pick<PruneDecision, 'stays' | 'waits' | 'goes'> {
  const stays = new Map<string, CommitRecord>();
  const [waits, goes] = [new Map<string, RetiredCommit>(), new Map<string, RetiredCommit>()];
  for (const [checksum, commit] of records) {
    if (kept.has(checksum)) stays.set(checksum, commit);
    else {
      const retired = state.retired.commits[checksum] ?? retire(commit, refOf(checksum, histories), now);
      (isDue(retired, retention, now) ? goes : waits).set(checksum, retired);
    }
  }
  // Half removed by a prune that was killed: its record is gone from the target, the rest must follow.
  for (const [checksum, retired] of Object.entries(state.retired.commits)) {
    if (!records.has(checksum)) goes.set(checksum, retired);
  }
  return { stays, waits, goes };
}

type Stray = CommitRecord & { readonly ref: string };

/** Commits from the records of earlier prunes that no walk over parents finds, as far as they are there. */
async function findStrays(
  { retired }: TargetState,
  walked: ReadonlyMap<string, CommitRecord>,
  read: ReadCommits,
): Promise<Stray[]> {
  const known = [...Object.entries(retired.commits).map(([checksum, { ref }]) => [checksum, ref] as const)];
  const others = [...known, ...Object.entries(retired.apart)].filter(([checksum]) => !walked.has(checksum));
  const commits = await read(others.map(([checksum]) => checksum));
  return others
    .flatMap(([, ref], index) => {
      const commit = commits[index];
      return commit ? [{ ...commit, ref }] : [];
    })
    .sort((a, b) => b.timestamp - a.timestamp);
}

/** A release keeps the night it was made of, whether promotion wrote that down or only its commit says so. */
async function keep(
  question: Omit<Parameters<typeof keptCommits>[0], 'promoted' | 'buildTagged'>,
  { promoted, own, tagged }: Pick<TargetState, 'promoted'> & Readonly<Record<'own' | 'tagged', readonly string[]>>,
  read: ReadCommits,
  target: Target,
): Promise<Map<string, Set<KeepReason>>> {
  const named = Object.keys(promoted);
  (await read(named)).forEach((commit, index) => {
    if (commit) return;
    throw missingCommit(target, named[index] ?? '', `which ${PROMOTED_PATH} says a release was made of`);
  });
  const all = new Set([...named, ...(await read(own)).flatMap((commit) => commit?.checksum ?? [])]);
  const buildTagged = new Set((await read(tagged)).flatMap((commit) => commit?.checksum ?? []));
  for (;;) {
    const kept = keptCommits({ ...question, promoted: all, buildTagged });
    const sources = (await read([...kept.keys()])).flatMap((commit) => commit?.promotionOf ?? []);
    const found = (await read(sources))
      .flatMap((commit) => commit?.checksum ?? [])
      .filter((source) => !all.has(source));
    if (found.length === 0) return kept;
    for (const source of found) all.add(source);
  }
}

function retire({ timestamp, version, tree, meta }: CommitRecord, ref: string, now: number): RetiredCommit {
  const since = new Date(now * 1000).toISOString();
  return { ref, version, timestamp, since, tree, meta };
}

/**
 * That of a build does not go on the day it was made: its build leaves the index with it, which is what keeps the day's ids taken
 * (I3).
 */
function isDue({ since, timestamp, version }: RetiredCommit, { graceSeconds }: TargetRetention, now: number): boolean {
  const day = (seconds: number): number => Math.floor(seconds / 86_400);
  const hasId = version !== undefined && isBuildId(version);
  return Date.parse(since) / 1000 + graceSeconds <= now && (!hasId || day(timestamp) < day(now));
}

function refOf(checksum: string, histories: readonly RefHistory[]): string {
  return histories.find(({ commits }) => commits.some((commit) => commit.checksum === checksum))?.ref ?? '';
}

/** Commits that stay and that no walk from a ref will find once others have gone. */
function separatedCommits(
  walks: readonly RefHistory<CommitRecord>[],
  strays: readonly Stray[],
  stays: ReadonlyMap<string, CommitRecord>,
  gone: ReadonlyMap<string, unknown>,
): [string, string][] {
  const found = new Set<string>();
  const behind = new Map(strays.map(({ checksum, ref }) => [checksum, ref]));
  for (const { ref, commits } of walks) {
    const gap = commits.findIndex(({ checksum }) => gone.has(checksum));
    commits.forEach(({ checksum }, index) => {
      if (gap < 0 || index < gap) found.add(checksum);
      else behind.set(checksum, ref);
    });
  }
  return [...behind].filter(([checksum]) => stays.has(checksum) && !found.has(checksum));
}

/** Sorts by key, so that equal contents are equal files. */
function sorted<Value>(entries: readonly (readonly [string, Value])[]): Record<string, Value> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
