import type { Dispute } from './dispute-record.ts';
import { disputeId, fingerprintOf } from './dispute-record.ts';
import { inputsOf } from './duplicates.ts';
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
  const verdicts = given(known);
  const results = known.results.map((kept): Printed => {
    const [inputs, fingerprint] = [inputsOf(kept.result), fingerprintOf(kept.result)];
    const isVoid = (verdicts.byInputs.get(inputs) ?? []).some(
      (one) =>
        (one.verdict === 'tampered' && one.fingerprints.includes(fingerprint)) || one.jobs.includes(kept.result.job),
    );
    return { kept, inputs, fingerprint, isVoid };
  });
  const groups = new Map<string, Printed[]>();
  for (const one of results) {
    if (one.kept.result.scratch || one.isVoid) continue;
    const group = groups.get(one.inputs);
    if (group) group.push(one);
    else groups.set(one.inputs, [one]);
  }
  return results.map((one) => {
    const { kept, inputs, isVoid } = one;
    if (kept.result.scratch) return { ...kept, standing: 'scratch', operators: [], disputes: [] };
    if (isVoid) return { ...kept, standing: 'rejected', operators: [], disputes: [] };
    return { ...kept, ...judgeOne(one, groups.get(inputs) ?? [], verdicts) };
  });
}

/** A result with what it is compared by, computed once. */
interface Printed {
  readonly kept: KeptResult;
  readonly inputs: string;
  readonly fingerprint: string;
  /** A verdict says that it counts for nothing: what was tampered with whoever sends it again, else that one result. */
  readonly isVoid: boolean;
}

/** What people have found, by what it is looked up by. */
interface Given {
  /** Verdicts on disputes about the same inputs. */
  readonly byInputs: ReadonlyMap<string, readonly Verdict[]>;
  readonly dispute: ReadonlyMap<string, { readonly record: Dispute; readonly verdict: Verdict | undefined }>;
  /** Builders that a verdict says have tampered. */
  readonly distrusted: ReadonlySet<string>;
}

function given({ disputes, verdicts }: Known): Given {
  const byInputs = new Map<string, Verdict[]>();
  for (const dispute of disputes) {
    const verdict = verdicts.get(dispute.id);
    const inputs = inputsOf(dispute);
    if (verdict) byInputs.set(inputs, [...(byInputs.get(inputs) ?? []), verdict]);
  }
  return {
    byInputs,
    dispute: new Map(disputes.map((record) => [record.id, { record, verdict: verdicts.get(record.id) }])),
    distrusted: new Set(
      [...verdicts.values()].flatMap(({ verdict, builders }) => (verdict === 'tampered' ? builders : [])),
    ),
  };
}

function judgeOne(one: Printed, mates: readonly Printed[], verdicts: Given): Omit<JudgedResult, keyof KeptResult> {
  const { result, draw } = one.kept;
  const related = mates.map((mate) => ({ mate: mate.kept.result, relation: relationOf(one, mate, verdicts) }));
  const open = related.flatMap(({ relation }) => (relation.kind === 'agrees' ? [] : [relation]));
  const disputes = [...new Set(open.map(({ dispute }) => dispute))].sort();
  const agreeing = related.filter(({ relation }) => relation.kind === 'agrees');
  const operators = [...new Set(agreeing.map(({ mate }) => mate.operator))].sort();
  const standing = ((): Standing => {
    if (open.some(({ kind }) => kind === 'dispute')) return 'disputed';
    if (open.length > 0) return 'class-unknown';
    if (draw === undefined && result.duplicateOf === undefined) return 'undecided';
    if ((draw?.wanted === true || verdicts.distrusted.has(result.builder)) && operators.length < 2)
      return 'duplicate-wanted';
    return result.outcome === 'failed' ? 'failed' : 'accepted';
  })();
  return { standing, operators, disputes };
}

type Relation =
  | { readonly kind: 'agrees' }
  /** Both stand against each other until somebody resolves it. */
  | { readonly kind: 'dispute' | 'task'; readonly dispute: string };

/** How a result stands to another of the same inputs, of which neither is void. */
function relationOf(one: Printed, mate: Printed, verdicts: Given): Relation {
  if (one.fingerprint === mate.fingerprint) return { kind: 'agrees' };
  const dispute = disputeId(one.kept.result, mate.kept.result);
  const found = verdicts.dispute.get(dispute);
  // A kill came before the record was written, or it is damaged.
  if (found === undefined) return { kind: 'dispute', dispute };
  const { record, verdict } = found;
  if (record.kind === 'explained' || verdict?.verdict === 'not-reproducible') return { kind: 'agrees' };
  return { kind: verdict ? 'dispute' : record.kind, dispute };
}
