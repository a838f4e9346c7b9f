import type { Dispute } from './dispute-record.ts';
import { disputeId, fingerprintOf } from './dispute-record.ts';
import { inputsOf } from './duplicates.ts';
import type { RebuildResult } from './result.ts';
import type { KeptResult } from './result-store.ts';
import type { Verdict } from './verdicts.ts';

/** What a result is worth. */
export type Standing =
  /** It may be published. */
  | 'accepted'
  /** Another operator has to build the same first. */
  | 'duplicate-wanted'
  /** It arrived, and nothing was drawn for it yet. */
  | 'undecided'
  /** Another result of the same inputs differs, and somebody may have tampered: nothing of either is published. */
  | 'disputed'
  /** Another result differs, and nobody knows yet whether the package can be reproduced: somebody has to find out. */
  | 'class-unknown'
  /** A verdict says that it counts for nothing. */
  | 'rejected'
  /** There is nothing to publish. */
  | 'failed'
  /** It never counts. */
  | 'scratch';

/** A result with what it is worth. */
export interface JudgedResult extends KeptResult {
  readonly standing: Standing;
  /** Operators that made the same, its own among them, sorted; none where it counts for nothing. */
  readonly operators: readonly string[];
  /** The disputes that are open about it. */
  readonly disputes: readonly string[];
}

/** All that judging goes by. */
export interface Known {
  readonly results: readonly KeptResult[];
  readonly disputes: readonly Dispute[];
  /** The verdict that counts, by the id of its dispute. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
}

/**
 * Judges all results, each by those of the same inputs, from the records alone: whatever a kill left undone, two results that differ
 * are disputed until a record says otherwise (I18).
 */
export function judge(known: Known): JudgedResult[] {
  const groups = new Map<string, KeptResult[]>();
  for (const kept of known.results) {
    if (kept.result.scratch) continue;
    const inputs = inputsOf(kept.result);
    groups.set(inputs, [...(groups.get(inputs) ?? []), kept]);
  }
  const distrusted = distrustedBuilders(known.verdicts);
  return known.results.map((kept) => {
    if (kept.result.scratch) return { ...kept, standing: 'scratch', operators: [], disputes: [] };
    if (isVoid(kept.result, known)) return { ...kept, standing: 'rejected', operators: [], disputes: [] };
    const mates = (groups.get(inputsOf(kept.result)) ?? []).filter(({ result }) => !isVoid(result, known));
    return { ...kept, ...judgeOne(kept, mates, known, distrusted) };
  });
}

/** Returns the builders that a verdict says have tampered. */
function distrustedBuilders(verdicts: Known['verdicts']): ReadonlySet<string> {
  return new Set([...verdicts.values()].flatMap(({ verdict, builders }) => (verdict === 'tampered' ? builders : [])));
}

/** Whether a verdict says that a result counts for nothing: what was tampered with whoever sends it again, else that one result. */
function isVoid(result: RebuildResult, { disputes, verdicts }: Known): boolean {
  return disputes.some((dispute) => {
    const verdict = verdicts.get(dispute.id);
    if (verdict === undefined || inputsOf(dispute) !== inputsOf(result)) return false;
    if (verdict.verdict === 'tampered' && verdict.fingerprints.includes(fingerprintOf(result))) return true;
    return verdict.jobs.includes(result.job);
  });
}

function judgeOne(
  { result, draw }: KeptResult,
  mates: readonly KeptResult[],
  known: Known,
  distrusted: ReadonlySet<string>,
): Omit<JudgedResult, keyof KeptResult> {
  const related = mates.map((mate) => ({ mate: mate.result, relation: relationOf(result, mate.result, known) }));
  const open = related.flatMap(({ relation }) => (relation.kind === 'agrees' ? [] : [relation]));
  const disputes = [...new Set(open.map(({ dispute }) => dispute))].sort();
  const agreeing = related.filter(({ relation }) => relation.kind === 'agrees');
  const operators = [...new Set(agreeing.map(({ mate }) => mate.operator))].sort();
  const standing = ((): Standing => {
    if (open.some(({ kind }) => kind === 'dispute')) return 'disputed';
    if (open.length > 0) return 'class-unknown';
    if (draw === undefined && result.duplicateOf === undefined) return 'undecided';
    if ((draw?.wanted === true || distrusted.has(result.builder)) && operators.length < 2) return 'duplicate-wanted';
    return result.outcome === 'failed' ? 'failed' : 'accepted';
  })();
  return { standing, operators, disputes };
}

type Relation =
  | { readonly kind: 'agrees' }
  /** Both stand against each other until somebody resolves it. */
  | { readonly kind: 'dispute' | 'task'; readonly dispute: string };

/** How a result stands to another of the same inputs, of which neither is void. */
function relationOf(result: RebuildResult, mate: RebuildResult, { disputes, verdicts }: Known): Relation {
  if (fingerprintOf(result) === fingerprintOf(mate)) return { kind: 'agrees' };
  const dispute = disputeId(result, mate);
  const record = disputes.find(({ id }) => id === dispute);
  // A kill came before the record was written, or it is damaged.
  if (record === undefined) return { kind: 'dispute', dispute };
  if (record.kind === 'explained' || verdicts.get(dispute)?.verdict === 'not-reproducible') return { kind: 'agrees' };
  return { kind: verdicts.has(dispute) ? 'dispute' : record.kind, dispute };
}
