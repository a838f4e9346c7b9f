import { NightlyError } from '../../base/errors.ts';
import type { RefPolicy } from '../../config/config.ts';

/** A commit as far as its age decides. */
export interface HistoryCommit {
  readonly checksum: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
}

/** A ref's commits, newest first; it names the first. */
export interface RefHistory<Commit extends HistoryCommit = HistoryCommit> {
  readonly ref: string;
  readonly commits: readonly Commit[];
}

/**
 * Why a commit stays.
 * - `ref`: a ref names it
 * - `tagged`: another ref than the one whose history it is in names it
 * - `depth`, `age`: the policy of a ref that has it in its history
 * - `promoted`: a release was made of it
 * - `build-tag`: somebody gave its build a name of their own
 */
export type KeepReason = 'ref' | 'tagged' | 'depth' | 'age' | 'promoted' | 'build-tag';

export interface RetentionQuestion {
  readonly histories: readonly RefHistory[];
  readonly policies: readonly RefPolicy[];
  /** Commits that a release was made of. */
  readonly promoted: ReadonlySet<string>;
  /** Commits of builds that have a tag. */
  readonly buildTagged?: ReadonlySet<string>;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Name of the target, for messages. */
  readonly target: string;
}

/**
 * Decides which commits stay, and for what reasons; one that is not in the result may go. A commit in several histories
 * stays while any of them wants it.
 * @throws NightlyError `config` when a ref has no policy, or one that says nothing (I8).
 */
export function keptCommits(question: RetentionQuestion): Map<string, Set<KeepReason>> {
  const { histories, policies, promoted, buildTagged = [], now, target } = question;
  const kept = new Map<string, Set<KeepReason>>();
  const keep = (checksum: string, reason: KeepReason): void => {
    kept.set(checksum, (kept.get(checksum) ?? new Set()).add(reason));
  };
  for (const checksum of promoted) keep(checksum, 'promoted');
  for (const checksum of buildTagged) keep(checksum, 'build-tag');
  const named = new Set(histories.flatMap(({ commits }) => commits[0]?.checksum ?? []));
  for (const { ref, commits } of histories) {
    const policy = policyOf(ref, policies, target);
    commits.forEach(({ checksum, timestamp }, index) => {
      if (index === 0) keep(checksum, 'ref');
      else if (named.has(checksum)) keep(checksum, 'tagged');
      if (policy.depth !== undefined && index < policy.depth) keep(checksum, 'depth');
      if (policy.ageSeconds !== undefined && now - timestamp < policy.ageSeconds) keep(checksum, 'age');
    });
  }
  return kept;
}

/** Returns the first policy whose pattern matches the ref. @throws NightlyError `config`, with the line to add. */
export function policyOf(ref: string, policies: readonly RefPolicy[], target: string): RefPolicy {
  const policy = policies.find(({ pattern }) => matchesPattern(pattern, ref));
  if (!policy) {
    throw new NightlyError(
      'config',
      `Target "${target}" has the ref ${ref}, and its retention does not say what of it stays. Nothing was removed.`,
      { hint: `Add to targets.${target}.retention.refs, for instance: '${ref}': {depth: 30}` },
    );
  }
  if (policy.depth === undefined && policy.ageSeconds === undefined) {
    throw new NightlyError(
      'config',
      `The retention of target "${target}" has neither depth nor age for '${policy.pattern}', which ref ${ref} matches. Nothing was removed.`,
      { hint: `To keep nothing but the newest commit, write '${policy.pattern}': {depth: 1}` },
    );
  }
  return policy;
}

/** Whether a ref is one that a pattern means; "*" stands for any text. */
export function matchesPattern(pattern: string, ref: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return ref === pattern;
  const last = rest.pop() ?? '';
  if (!ref.startsWith(first) || !ref.endsWith(last) || ref.length < first.length + last.length) return false;
  // Each part in its first place after the one before: with "*" for any text there is no need to look further on.
  let at = first.length;
  for (const part of rest) {
    const found = ref.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at + last.length <= ref.length;
}
