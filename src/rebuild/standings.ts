import { type Dispute, disputeIdOf, fingerprintOf } from './dispute-record.ts';
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

/** What a result is worth, and by what. */
export interface Judgement {
  readonly standing: Standing;
  /** Operators that made the same, its own among them, sorted; none where it counts for nothing. */
  readonly operators: readonly string[];
  /** The disputes that are open about it. */
  readonly disputes: readonly string[];
}

/** A result with what it is worth. */
export interface JudgedResult extends KeptResult, Judgement {}

/** What of a result it is judged by. */
export interface ResultFacts extends Pick<RebuildResult, 'job' | 'builder' | 'operator' | 'outcome' | 'scratch'> {
  /** `inputsOf`, `fingerprintOf` */
  readonly inputs: string;
  readonly fingerprint: string;
  readonly isDuplicate: boolean;
  /** Whether another operator has to build the same; undefined while nothing was drawn. */
  readonly isWanted?: boolean | undefined;
}

/** What of a dispute and of a verdict results are judged by. */
export type DisputeFacts = Pick<Dispute, 'id' | 'kind'> & { readonly inputs: string };
export type VerdictFacts = Pick<Verdict, 'verdict' | 'builders' | 'fingerprints' | 'jobs'>;

/** Returns what a result is judged by. */
export const factsOf = ({ result, draw }: KeptResult): ResultFacts => ({
  ...{ job: result.job, builder: result.builder, operator: result.operator },
  ...{ outcome: result.outcome, scratch: result.scratch, isDuplicate: result.duplicateOf !== undefined },
  ...{ inputs: inputsOf(result), fingerprint: fingerprintOf(result), isWanted: draw?.wanted },
});

/** All that judging goes by. */
export interface Known {
  readonly results: readonly ResultFacts[];
  readonly disputes: readonly DisputeFacts[];
  /** The verdict that counts, by the id of its dispute. */
  readonly verdicts: ReadonlyMap<string, VerdictFacts>;
}

/**
 * Judges all results, each by those of the same inputs, from the records alone: whatever a kill left undone, two results that differ
 * are disputed until a record says otherwise (I18).
 * @returns what each is worth, in their order
 */
export function judge(known: Known): Judgement[] {
  const verdicts = given(known);
  const isVoid = ({ inputs, fingerprint, job }: ResultFacts): boolean =>
    (verdicts.byInputs.get(inputs) ?? []).some(
      (one) => (one.verdict === 'tampered' && one.fingerprints.includes(fingerprint)) || one.jobs.includes(job),
    );
  const worthless = new Set(known.results.filter(isVoid));
  const groups = new Map<string, ResultFacts[]>();
  for (const one of known.results) {
    if (one.scratch || worthless.has(one)) continue;
    const group = groups.get(one.inputs);
    if (group) group.push(one);
    else groups.set(one.inputs, [one]);
  }
  return known.results.map((one): Judgement => {
    if (one.scratch) return { standing: 'scratch', operators: [], disputes: [] };
    // A verdict says that it counts for nothing: what was tampered with whoever sends it again, else that one result.
    if (worthless.has(one)) return { standing: 'rejected', operators: [], disputes: [] };
    return judgeOne(one, groups.get(one.inputs) ?? [], verdicts);
  });
}

/** What people have found, by what it is looked up by. */
interface Given {
  /** Verdicts on disputes about the same inputs. */
  readonly byInputs: ReadonlyMap<string, readonly VerdictFacts[]>;
  readonly dispute: ReadonlyMap<string, { readonly record: DisputeFacts; readonly verdict: VerdictFacts | undefined }>;
  /** Builders that a verdict says have tampered. */
  readonly distrusted: ReadonlySet<string>;
}

function given({ disputes, verdicts }: Known): Given {
  const byInputs = new Map<string, VerdictFacts[]>();
  for (const dispute of disputes) {
    const verdict = verdicts.get(dispute.id);
    const { inputs } = dispute;
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

function judgeOne(one: ResultFacts, mates: readonly ResultFacts[], verdicts: Given): Judgement {
  const related = mates.map((mate) => ({ mate, relation: relationOf(one, mate, verdicts) }));
  const open = related.flatMap(({ relation }) => (relation.kind === 'agrees' ? [] : [relation]));
  const disputes = [...new Set(open.map(({ dispute }) => dispute))].sort();
  const agreeing = related.filter(({ relation }) => relation.kind === 'agrees');
  const operators = [...new Set(agreeing.map(({ mate }) => mate.operator))].sort();
  const standing = ((): Standing => {
    if (open.some(({ kind }) => kind === 'dispute')) return 'disputed';
    if (open.length > 0) return 'class-unknown';
    if (one.isWanted === undefined && !one.isDuplicate) return 'undecided';
    if ((one.isWanted === true || verdicts.distrusted.has(one.builder)) && operators.length < 2)
      return 'duplicate-wanted';
    return one.outcome === 'failed' ? 'failed' : 'accepted';
  })();
  return { standing, operators, disputes };
}

type Relation =
  | { readonly kind: 'agrees' }
  /** Both stand against each other until somebody resolves it. */
  | { readonly kind: 'dispute' | 'task'; readonly dispute: string };

/** How a result stands to another of the same inputs, of which neither is void. */
function relationOf(one: ResultFacts, mate: ResultFacts, verdicts: Given): Relation {
  if (one.fingerprint === mate.fingerprint) return { kind: 'agrees' };
  const dispute = disputeIdOf(one, mate);
  const found = verdicts.dispute.get(dispute);
  // A kill came before the record was written, or it is damaged.
  if (found === undefined) return { kind: 'dispute', dispute };
  const { record, verdict } = found;
  if (record.kind === 'explained' || verdict?.verdict === 'not-reproducible') return { kind: 'agrees' };
  return { kind: verdict ? 'dispute' : record.kind, dispute };
}
