import type { KeyObject } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NightlyError } from '../base/errors.ts';
import { sha256 } from '../base/files.ts';
import { byAge, DISPUTE_FILE, type Dispute, disputeFolder, disputeIds, disputeOrFault } from './dispute-record.ts';
import { inputsOf } from './duplicates.ts';
import { resultFolder } from './rebuild-folder.ts';
import { type Indexed, type IndexedDispute, marksOf, readIndex, writeIndex } from './rebuild-index.ts';
import { type RebuildConfig, statementFault, statementOf } from './rebuild-records.ts';
import { AT_A_TIME, jobsWithResult, RESULT_FILES, resultOrFault } from './result-store.ts';
import { factsOf, type Judgement, judge, type ResultFacts } from './standings.ts';
import { readVerdicts, VERDICTS_FILE, type Verdict } from './verdicts.ts';

/** Everything on record about rebuilds, as far as lists show it. */
export interface RebuildList {
  readonly results: readonly (ResultFacts & Judgement)[];
  /** Oldest first, but for those in which only what is known to differ does. */
  readonly disputes: readonly DisputeRow[];
  /** What cannot be read, or is not signed by our key: it counts for nothing (I15). */
  readonly faults: readonly NightlyError[];
}

/** A dispute as lists show it. */
export interface DisputeRow extends IndexedDispute {
  /** Whether somebody has to look at it. */
  readonly open: boolean;
}

/**
 * Lists results and disputes as `readRebuildRecords` judges them, at a fraction of its cost: what was verified once and whose files are
 * the same since comes from the index. For lists only; who decides reads the records.
 * @throws NightlyError `config`, `signing`
 */
export async function readRebuildList(config: RebuildConfig): Promise<RebuildList> {
  const { work } = config;
  const key = await statementOf(config).signer.publicKey();
  const keyName = sha256(key.export({ type: 'spki', format: 'der' }));
  const index = await readIndex(work, keyName);
  const results = await gather(await jobsWithResult(work), index.results, {
    marks: (job) => marksOf(resultFolder(work, job), RESULT_FILES),
    read: (job) => verifiedResult(work, job, key),
  });
  const disputes = await gather(await disputeIds(work), index.disputes, {
    marks: (id) => marksOf(disputeFolder(work, id), DISPUTE_FILES),
    read: (id) => verifiedDispute(work, id, key),
  });
  const known = { results: results.sound, disputes: disputes.sound };
  if (results.isChanged || disputes.isChanged) await writeIndex(work, keyName, known);
  const faults = [...results.faults, ...disputes.faults];
  return { ...judged(results.facts, disputes.facts.toSorted(byAge)), faults };
}

const DISPUTE_FILES = [DISPUTE_FILE, VERDICTS_FILE] as const;

/** What a record is, as far as it can be read, and what is wrong with it. */
interface Found<Facts> {
  readonly facts?: Facts;
  readonly faults: readonly NightlyError[];
}

/** Takes what the index has and whose files are as they were, and reads the records of the rest. */
async function gather<Facts>(
  names: readonly string[],
  known: ReadonlyMap<string, Indexed<Facts>>,
  { marks: marksNow, read }: { marks(name: string): string; read(name: string): Promise<Found<Facts>> },
) {
  const sound = new Map<string, Indexed<Facts>>();
  const [facts, faults]: [Facts[], NightlyError[]] = [[], []];
  let fresh = 0;
  for (const [number, name] of names.entries()) {
    if (number % AT_A_TIME === 0) await nextTurn();
    // Before they are read: what changes meanwhile is read again.
    const marks = marksNow(name);
    const before = known.get(name);
    const found: Found<Facts> = before?.[0] === marks ? { facts: before[1], faults: [] } : await read(name);
    if (before?.[0] !== marks) fresh += 1;
    faults.push(...found.faults);
    if (found.facts === undefined) continue;
    facts.push(found.facts);
    // Faults are told each time.
    if (found.faults.length === 0) sound.set(name, [marks, found.facts]);
  }
  return { sound, facts, faults, isChanged: fresh > 0 || sound.size !== known.size };
}

async function verifiedResult(work: string, job: string, key: KeyObject): Promise<Found<ResultFacts>> {
  const kept = resultOrFault(work, job);
  if (kept instanceof NightlyError) return { faults: [kept] };
  const fault = kept && (await statementFault(work, kept, key));
  return fault || !kept ? { faults: fault ? [fault] : [] } : { facts: factsOf(kept), faults: [] };
}

async function verifiedDispute(work: string, id: string, key: KeyObject): Promise<Found<IndexedDispute>> {
  const dispute = await disputeOrFault(work, id);
  if (dispute === undefined || dispute instanceof NightlyError) return { faults: dispute ? [dispute] : [] };
  const { verdicts, faults } = await readVerdicts(work, id, key);
  return { facts: disputeFacts(dispute, verdicts), faults };
}

/** Returns what lists show of a dispute. @param verdicts on it, oldest first */
export function disputeFacts(dispute: Dispute, verdicts: readonly Verdict[]): IndexedDispute {
  const { id, kind, at, source, one, other } = dispute;
  const packages = dispute.packages.map((all) => all.package);
  const last = verdicts.at(-1);
  const side = ({ builder, operator }: Dispute['one']) => ({ builder, operator });
  const sides = { one: side(one), other: side(other) };
  const facts = { id, kind, at, inputs: inputsOf(dispute), source: source.nevra, packages, ...sides };
  return { ...facts, ...(last && { verdict: last }) };
}

function judged(results: readonly ResultFacts[], disputes: readonly IndexedDispute[]): Omit<RebuildList, 'faults'> {
  const verdicts = new Map(disputes.flatMap(({ id, verdict }) => (verdict ? [[id, verdict] as const] : [])));
  const judgements = judge({ results, disputes, verdicts });
  const open = new Set(judgements.flatMap((one) => one.disputes));
  return {
    results: results.flatMap((facts, index) => {
      const judgement = judgements[index];
      return judgement ? [{ ...facts, ...judgement }] : [];
    }),
    disputes: disputes
      .filter(({ kind }) => kind !== 'explained')
      .map((dispute) => ({ ...dispute, open: open.has(dispute.id) })),
  };
}
