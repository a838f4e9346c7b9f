import { stat } from 'node:fs/promises';
import { signStatement } from '../../attest/sign-statement.ts';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { levelIn, readLedger } from '../../rebuild/builder-ledger.ts';
import { type DrawDay, drawDays, keepDrawSecrets, readDrawDay, secretOf } from '../../rebuild/draw-secrets.ts';
import { dayAt, decideDuplicate } from '../../rebuild/draws.ts';
import { newDuplicate } from '../../rebuild/duplicates.ts';
import { addClass, classIn, readClass, sourceName } from '../../rebuild/package-classes.ts';
import { packagePath } from '../../rebuild/rebuild-folder.ts';
import { readRebuildList } from '../../rebuild/rebuild-list.ts';
import { withRebuildLock } from '../../rebuild/rebuild-lock.ts';
import { type RebuildConfig, type RebuildRecords, statementOf } from '../../rebuild/rebuild-records.ts';
import { rebuildStatement } from '../../rebuild/rebuild-statement.ts';
import type { RebuildResult } from '../../rebuild/result.ts';
import { verifyResult } from '../../rebuild/result-signature.ts';
import { type Draw, keepResult, readKeptResult, statementPath, writeDraw } from '../../rebuild/result-store.ts';
import type { JudgedResult, Standing } from '../../rebuild/standings.ts';
import { readPackageIdentity } from '../../rpm/package-identity.ts';
import type { StatementSigner } from '../../signing/statement-signer.ts';
import { openDisputes } from './open-disputes.ts';

/** What became of a result. */
export interface Accepted {
  readonly standing: Standing;
  /** The job that has to build the same at another operator, and when it may start, in seconds since 1970. */
  readonly duplicate?: Draw['duplicate'];
  /** Disputes that are open about it. */
  readonly disputes: readonly string[];
}

/**
 * Takes a result of a builder: verifies who signed it and what its files are, keeps it, states it, and only then draws whether another
 * operator has to build the same; then compares it with all that were built of the same. Every step finds out what is done, so that the
 * same again, also after a kill, ends the same and nothing is drawn twice.
 * @param now seconds since 1970
 * @throws NightlyError `verify` for a result that is not the builder's, is not what it says, or is the second one of its job; `config`,
 *   `signing`, `record`.
 */
export async function acceptResult(
  config: RebuildConfig,
  result: RebuildResult,
  task: Task,
  now: number = Math.floor(Date.now() / 1000),
): Promise<Accepted> {
  const { work } = config;
  const { signer } = statementOf(config);
  await checkResult(config, result);
  return withRebuildLock(work, task, async () => {
    await keepResult(work, result);
    await stateResult(work, result, signer, task);
    await drawFor(config, result, now);
    const records = await openDisputes(config, result, now, task);
    await noteClasses(work, records, result, now);
    const judged = records.judged.find((one) => one.result.job === result.job);
    if (judged === undefined)
      throw new NightlyError('bug', `The result of job ${result.job} was kept and is not there.`);
    // Lists find it verified.
    await readRebuildList(config);
    task.say(`${result.source.nevra} on ${result.builder}: ${judged.standing}`);
    return acceptedOf(judged);
  });
}

function acceptedOf({ standing, disputes, draw }: JudgedResult): Accepted {
  const duplicate = standing === 'duplicate-wanted' ? draw?.duplicate : undefined;
  return { standing, disputes, ...(duplicate && { duplicate }) };
}

/** Nothing that a builder says of itself is used (I18): its key is the pinned one, and each file is read. */
async function checkResult({ work, builders }: RebuildConfig, result: RebuildResult): Promise<void> {
  const machine = builders.machines.find(({ name }) => name === result.builder);
  if (machine === undefined) {
    throw new NightlyError('verify', `There is no builder "${result.builder}", whose result job ${result.job} is.`, {
      hint: 'It is not used. Was the machine taken out of "builders" meanwhile?',
    });
  }
  await verifyResult(result, machine);
  sourceName(result.source.nevra);
  for (const one of result.packages) {
    const { nevra, header, sha256, size } = await readPackageIdentity(await packagePath(work, result.job, one));
    if (nevra === one.nevra && header === one.header && sha256 === one.sha256 && size === one.size) continue;
    throw new NightlyError(
      'verify',
      `${one.file} of job ${result.job} is ${nevra} with the header ${header}, not what its result says.`,
      {
        hint: 'It is not used. Have the package rebuilt.',
      },
    );
  }
}

async function stateResult(work: string, result: RebuildResult, signer: StatementSigner, task: Task): Promise<void> {
  const path = statementPath(work, result.job);
  if (await ifThere(stat(path))) return;
  await writeFileAtomic(path, await signStatement(rebuildStatement(result), signer, task));
}

/** Draws once for each result, with the secret of the day on which it arrived. Duplicates and scratch builds are not drawn. */
async function drawFor({ work, builders }: RebuildConfig, result: RebuildResult, now: number): Promise<void> {
  await keepDrawSecrets(work, now);
  if (result.scratch || result.duplicateOf !== undefined) return;
  if (readKeptResult(work, result.job)?.draw !== undefined) return;
  const day = await drawingDay(work, result, now);
  const level = levelIn(await readLedger(work, result.builder));
  // Work that was under way when it was suspended is looked at as closely as that of a new one.
  const rated = level === 'suspended' ? 'new' : level;
  const rate = builders.rates[rated];
  const wanted = decideDuplicate(result, rate, await secretOf(work, day));
  const draw = { drawVersion: 1 as const, day: day.day, level: rated, rate, wanted };
  await writeDraw(work, result.job, { ...draw, ...(wanted && { duplicate: newDuplicate(now) }) });
}

/** The day on which it arrived; today, where that one's secret is no secret any more, or there never was one. */
async function drawingDay(work: string, { finishedAt }: RebuildResult, now: number): Promise<DrawDay> {
  const days = await drawDays(work);
  const open = days.find(({ day, secret }) => day === dayAt(finishedAt) && secret === undefined);
  return open ?? readDrawDay(work, dayAt(now));
}

/** A package whose builds of two operators are the same is known to be reproducible: from then on a difference is a dispute. */
async function noteClasses(
  work: string,
  { judged }: RebuildRecords,
  result: RebuildResult,
  now: number,
): Promise<void> {
  const one = judged.find(({ result: { job } }) => job === result.job);
  if (one === undefined || one.operators.length < 2 || one.disputes.length > 0 || result.outcome === 'failed') return;
  const name = sourceName(result.source.nevra);
  if (classIn(await readClass(work, name)).class !== 'unknown') return;
  const reason = `${one.operators.join(' and ')} built ${result.source.nevra} the same`;
  await addClass(work, name, { at: now, class: 'identical', differences: [], by: 'atomic-nightly', reason });
}
