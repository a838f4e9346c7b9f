import type { KeyObject } from 'node:crypto';
import pLimit from 'p-limit';
import { NightlyError } from '../base/errors.ts';
import { textIfThere } from '../base/files.ts';
import type { BuildersConfig } from '../config/builders.ts';
import type { Config } from '../config/config.ts';
import { openStatementSigner, type StatementSigner } from '../signing/statement-signer.ts';
import { type Dispute, readDisputes } from './dispute-record.ts';
import { inputsOf, sameInputs } from './duplicates.ts';
import { verifyRebuildStatement } from './rebuild-statement.ts';
import type { RebuildResult } from './result.ts';
import { type KeptResult, readKeptResults, statementPath } from './result-store.ts';
import { factsOf, type JudgedResult, judge } from './standings.ts';
import { readVerdicts, type Verdict } from './verdicts.ts';

/** A configuration that has builders. */
export interface RebuildConfig extends Pick<Config, 'name' | 'work' | 'notify'> {
  readonly builders: BuildersConfig;
}

/** Everything on record about rebuilds, judged. */
export interface RebuildRecords {
  readonly judged: readonly JudgedResult[];
  readonly disputes: readonly Dispute[];
  /** All verdicts of each dispute, oldest first, by its id. */
  readonly verdicts: ReadonlyMap<string, readonly Verdict[]>;
  /** What cannot be read, or is not signed by our key: it counts for nothing (I15). */
  readonly faults: readonly NightlyError[];
}

/** Statements verified side by side. */
const PARALLEL = 16;

/** Returns who signs statements of results, and the URI of whoever answers for verdicts. @throws NightlyError `config` */
export function statementOf({ builders }: RebuildConfig): {
  readonly signer: StatementSigner;
  readonly verifier: string;
} {
  if (builders.statement)
    return { signer: openStatementSigner(builders.statement.key), verifier: builders.statement.verifier };
  throw new NightlyError('config', 'Nobody signs statements of results and verdicts: "builders" has no "statement".', {
    hint: 'Add its key and the URI of whoever answers for it: docs/rebuilds.md.',
  });
}

/**
 * Reads and judges all results, or those of the same inputs as one: none but these has a say in what it is worth. One whose statement
 * is not there, or is not signed by our key, counts for nothing: a kill came before it was made, or somebody changed the record.
 * @throws NightlyError `config`, `signing`
 */
export async function readRebuildRecords(config: RebuildConfig, like?: RebuildResult): Promise<RebuildRecords> {
  const { work } = config;
  const key = await statementOf(config).signer.publicKey();
  const [kept, found] = await Promise.all([readKeptResults(work), readDisputes(work)]);
  const faults = [...kept.faults, ...found.faults];
  const asked = like ? kept.results.filter(({ result }) => sameInputs(result, like)) : kept.results;
  const wrong = await pLimit(PARALLEL).map(asked, (one) => statementFault(work, one, key));
  faults.push(...wrong.filter((fault) => fault !== undefined));
  const results = asked.filter((_, index) => wrong[index] === undefined);
  const verdicts = new Map<string, readonly Verdict[]>();
  for (const { id } of found.disputes) {
    const signed = await readVerdicts(work, id, key);
    faults.push(...signed.faults);
    if (signed.verdicts.length > 0) verdicts.set(id, signed.verdicts);
  }
  const last = new Map([...verdicts].flatMap(([id, all]) => all.slice(-1).map((one) => [id, one] as const)));
  const judgements = judge({
    results: results.map(factsOf),
    disputes: found.disputes.map((one) => ({ id: one.id, kind: one.kind, inputs: inputsOf(one) })),
    verdicts: last,
  });
  return {
    judged: results.flatMap((kept, index) => {
      const judgement = judgements[index];
      return judgement ? [{ ...kept, ...judgement }] : [];
    }),
    disputes: found.disputes,
    verdicts,
    faults,
  };
}

/** Returns what is wrong with the statement of a result; undefined for one that our key has signed. */
export async function statementFault(
  work: string,
  { result }: KeptResult,
  key: KeyObject,
): Promise<NightlyError | undefined> {
  const place = statementPath(work, result.job);
  const line = textIfThere(place);
  if (line === undefined) {
    return new NightlyError('record', `The result of job ${result.job} has no statement.`, {
      hint: 'Hand the result in again: it is made then.',
      place: { file: place },
    });
  }
  try {
    await verifyRebuildStatement(line, result, key, place);
    return undefined;
  } catch (error) {
    if (error instanceof NightlyError) return error;
    throw error;
  }
}
