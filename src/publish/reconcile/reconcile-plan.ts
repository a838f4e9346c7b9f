import { formatBytes, formatCount } from '../../base/format.ts';

/** Why a file is sent again: it is not there, has another size, or (with `checksums`) another content. */
export type SendReason = 'missing' | 'size' | 'content';

/**
 * What a repair will do, as plain data: a dry run prints it, `applyReconcile` carries it out. Paths are relative to the
 * root of the target and of the work folder alike.
 */
export interface ReconcilePlan {
  readonly version: 1;
  readonly target: string;
  /** Whether commits are published there; else only builds are looked at. */
  readonly tree: boolean;
  /** Bytes of `prune.json` when the plan was made, as text; undefined: there was none. */
  readonly epoch: string | undefined;
  /** Sent in this order, each phase whole before the next begins. */
  readonly phases: readonly ReconcilePhase[];
  /** Files that go before refs are set: a damaged one stands in the way of a new one. */
  readonly remove: readonly { readonly path: string; readonly why: string }[];
  /** What lacks a signature of some key, and gets it. */
  readonly sign: readonly string[];
  /** Public keys that are not those that the streams sign with, and are put anew. */
  readonly keys: readonly string[];
  /** What the release log has no entry of, and gets one: the log began later. */
  readonly log: readonly string[];
  /** Refs that are set anew, together with the summary and its signature. */
  readonly flips: readonly { readonly ref: string; readonly commit: string; readonly why: string }[];
  /** Builds that the index must name. */
  readonly index: readonly IndexedBuild[];
  /** What is wrong and cannot be put right from here. */
  readonly unrepairable: readonly Unrepairable[];
  /** Files that are none of ours; they stay. */
  readonly foreign: readonly string[];
  /** Objects that are there and that no commit which is known here needs; a prune removes them. */
  readonly unneeded: number;
  readonly looked: { readonly commits: number; readonly objects: number; readonly files: number };
}

/** A build as the index is to name it. */
export interface IndexedBuild {
  readonly id: string;
  readonly arch: string;
  /** What took its place, as its record says. */
  readonly retracted?: { readonly by: string; readonly reason: string };
}

export interface ReconcilePhase {
  readonly name:
    | 'objects'
    | 'signatures'
    | 'commits'
    | 'deltas'
    | 'delta indexes'
    | 'signatures of files'
    | 'images'
    | 'records';
  readonly files: readonly ReconcileFile[];
}

export interface ReconcileFile {
  readonly path: string;
  readonly bytes: number;
  readonly why: SendReason;
}

export interface Unrepairable {
  readonly what: string;
  readonly why: string;
  readonly hint: string;
}

/** Whether there is nothing to do. What cannot be repaired, and foreign files, do not count. */
export function isSound({ phases, flips, index, remove, sign, keys, log }: ReconcilePlan): boolean {
  return (
    phases.every(({ files }) => files.length === 0) &&
    [flips, index, remove, sign, keys, log].every((list) => list.length === 0)
  );
}

/** Returns the plan for people, a line each. */
export function planLines(plan: ReconcilePlan): string[] {
  const { looked } = plan;
  const lines = [
    plan.tree
      ? `target ${plan.target}: ${formatCount(looked.commits, 'commit')} with ${formatCount(looked.objects, 'object')}, ${looked.files} other files`
      : `target ${plan.target}: no tree is published there; ${formatCount(looked.files, 'file')}`,
  ];
  for (const { name, files } of plan.phases) {
    if (files.length === 0) continue;
    const count = (why: SendReason): number => files.filter((file) => file.why === why).length;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const reasons = (['missing', 'size', 'content'] as const)
      .filter((why) => count(why) > 0)
      .map((why) => `${count(why)} ${why === 'missing' ? 'missing' : `of wrong ${why}`}`);
    lines.push(`send ${name}: ${reasons.join(', ')}; ${formatBytes(bytes)}`);
  }
  for (const { path, why } of plan.remove) lines.push(`remove ${path}: ${why}`);
  for (const { ref, commit, why } of plan.flips) lines.push(`set ${ref} to ${commit.slice(0, 12)}: ${why}`);
  for (const { id, arch } of plan.index) lines.push(`name build ${id} ${arch} in builds.json`);
  for (const what of plan.log) lines.push(`log ${what}: the release log does not have it`);
  for (const what of plan.sign) lines.push(`sign ${what}: it lacks a signature`);
  for (const path of plan.keys) lines.push(`put ${path}: it is not what the stream signs with`);
  for (const { what, why, hint } of plan.unrepairable) lines.push(`cannot repair ${what}: ${why}. ${hint}`);
  for (const path of plan.foreign) lines.push(`leave alone ${path}: not ours`);
  if (plan.unneeded > 0) lines.push(`${plan.unneeded} objects are needed by nothing that is known here`);
  if (isSound(plan)) lines.push(plan.unrepairable.length > 0 ? 'nothing that can be repaired' : 'nothing to repair');
  return lines;
}
