import { signStatement } from '../../attest/sign-statement.ts';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { addToLedger, levelIn, readLedger } from '../../rebuild/builder-ledger.ts';
import type { BuilderLevel } from '../../rebuild/builder-levels.ts';
import { type Dispute, fingerprintOf } from '../../rebuild/dispute-record.ts';
import { inputsOf } from '../../rebuild/duplicates.ts';
import { addClass, allowDifferences, classIn, readClass, sourceName } from '../../rebuild/package-classes.ts';
import { withRebuildLock } from '../../rebuild/rebuild-lock.ts';
import {
  type RebuildConfig,
  type RebuildRecords,
  readRebuildRecords,
  statementOf,
} from '../../rebuild/rebuild-records.ts';
import { addVerdict, type Verdict, type VerdictKind, verdictStatement } from '../../rebuild/verdicts.ts';
import { parseNevra } from '../../rpm/evr.ts';

/** What a person says of a dispute. */
export interface Resolution {
  readonly dispute: string;
  readonly verdict: VerdictKind;
  /** Builders whose result is the wrong one. */
  readonly builders: readonly string[];
  readonly by: string;
  readonly note: string;
}

/** What followed from a verdict, for people. */
export interface Resolved {
  readonly verdict: Verdict;
  readonly consequences: readonly string[];
}

/**
 * Signs the verdict of a person on a dispute, and does what follows from it: `tampered` suspends the builders named and voids what they
 * made, whoever sends it again; `environment` voids the results of those named, or of both sides, and sets the builders back to `new`;
 * `not-reproducible` adds what differs to what may differ in that package. The verdict is on record first: what follows is done again by
 * the same command after a kill.
 * @param now seconds since 1970
 * @throws NightlyError `not-found`, `usage`, `config`, `signing`
 */
export async function resolveDispute(
  config: RebuildConfig,
  resolution: Resolution,
  task: Task,
  now: number = Math.floor(Date.now() / 1000),
): Promise<Resolved> {
  const { work } = config;
  const { signer } = statementOf(config);
  return withRebuildLock(work, task, async () => {
    const records = await readRebuildRecords(config);
    const dispute = records.disputes.find(({ id }) => id === resolution.dispute);
    if (dispute === undefined) throw noDispute(resolution.dispute);
    const verdict = verdictOf(resolution, dispute, records, now);
    const last = records.verdicts.get(dispute.id)?.at(-1);
    const isSame = last !== undefined && sameFinding(last, verdict);
    if (!isSame) {
      await addVerdict(work, dispute.id, await signStatement(verdictStatement(verdict, dispute), signer, task));
    }
    return { verdict: isSame ? last : verdict, consequences: await follow(work, verdict, dispute, now) };
  });
}

/** Returns an error about a dispute that there is not. */
export const noDispute = (id: string): NightlyError =>
  new NightlyError('not-found', `There is no dispute "${id}".`, { hint: '"atomic-nightly disputes" lists them.' });

const sameFinding = (one: Verdict, other: Verdict): boolean =>
  JSON.stringify({ ...one, at: 0 }) === JSON.stringify({ ...other, at: 0 });

function verdictOf(
  { verdict, builders, by, note }: Resolution,
  dispute: Dispute,
  { judged }: RebuildRecords,
  at: number,
): Verdict {
  const sides = [dispute.one.fingerprint, dispute.other.fingerprint];
  const made = judged.flatMap(({ result }) => {
    const fingerprint = fingerprintOf(result);
    const isSide = !result.scratch && inputsOf(result) === inputsOf(dispute) && sides.includes(fingerprint);
    return isSide ? [{ job: result.job, builder: result.builder, fingerprint }] : [];
  });
  const names = [...new Set(made.map(({ builder }) => builder))].sort();
  for (const name of builders) {
    if (names.includes(name)) continue;
    throw new NightlyError('usage', `${name} has no result in dispute ${dispute.id}.`, {
      hint: `Builders that have: ${names.join(', ')}.`,
    });
  }
  if (verdict === 'tampered' && builders.length === 0) {
    throw new NightlyError('usage', 'Who tampered is part of the verdict.', {
      hint: `Name each with --builder: ${names.join(', ')}. The odd one out is not necessarily the cheat.`,
    });
  }
  if (verdict === 'not-reproducible' && builders.length > 0) {
    throw new NightlyError('usage', 'Nobody is to blame for a package that is not reproducible.', {
      hint: 'Leave --builder out.',
    });
  }
  const about = { dispute: dispute.id, verdict, by, note, at };
  if (verdict === 'not-reproducible') return { ...about, builders: [], fingerprints: [], jobs: [] };
  const wrong =
    builders.length === 0
      ? sides
      : made.filter(({ builder }) => builders.includes(builder)).map((one) => one.fingerprint);
  const fingerprints = [...new Set(wrong)].sort();
  const jobs = made.filter(({ fingerprint }) => fingerprints.includes(fingerprint)).map(({ job }) => job);
  return { ...about, builders: [...new Set(builders)].sort(), fingerprints, jobs: jobs.sort() };
}

async function follow(work: string, verdict: Verdict, dispute: Dispute, now: number): Promise<string[]> {
  switch (verdict.verdict) {
    case 'tampered':
      return setLevels(work, verdict, 'suspended', now);
    case 'environment':
      return setLevels(work, verdict, 'new', now);
    case 'not-reproducible':
      return allow(work, verdict, dispute, now);
  }
}

async function setLevels(work: string, verdict: Verdict, level: BuilderLevel, now: number): Promise<string[]> {
  const { by, note, dispute, builders } = verdict;
  const done: string[] = [];
  for (const name of builders) {
    const ledger = await readLedger(work, name);
    const before = levelIn(ledger);
    // One that is suspended does not come back by a lesser finding, and a line that is there is not written twice.
    if (before === level || before === 'suspended') continue;
    await addToLedger(work, name, { at: now, level, by, reason: `${verdict.verdict}: ${note}`, dispute });
    done.push(`${name}: ${before} → ${level}`);
  }
  const voided = verdict.jobs.length;
  return [...done, `${voided} ${voided === 1 ? 'result counts' : 'results count'} for nothing`];
}

async function allow(work: string, { by, note }: Verdict, dispute: Dispute, now: number): Promise<string[]> {
  const name = sourceName(dispute.source.nevra);
  const known = classIn(await readClass(work, name));
  const found = dispute.packages.map(({ package: nevra, tags }) => ({
    package: parseNevra(nevra)?.name ?? nevra,
    tags,
  }));
  const differences = allowDifferences(known.differences, found);
  const isNew =
    known.class !== 'known-differences' || JSON.stringify(known.differences) !== JSON.stringify(differences);
  if (isNew) await addClass(work, name, { at: now, class: 'known-differences', differences, by, reason: note });
  const tags = [...new Set(differences.map(({ tag }) => tag))];
  return [`${name}: known-differences (${tags.join(', ')})`];
}
