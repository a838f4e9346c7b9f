import { createPrivateKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { envelopeLine, STATEMENT_TYPE, signedBytes } from '../../src/attest/dsse.ts';
import { sha256 } from '../../src/base/files.ts';
import { recordText } from '../../src/base/read-record.ts';
import { type Dispute, disputeId, fingerprintOf, writeDispute } from '../../src/rebuild/dispute-record.ts';
import { resultFolder } from '../../src/rebuild/rebuild-folder.ts';
import { rebuildStatement } from '../../src/rebuild/rebuild-statement.ts';
import { RESULT, type RebuildResult } from '../../src/rebuild/result.ts';
import { DRAW, type Draw, statementPath } from '../../src/rebuild/result-store.ts';
import { addVerdict, type Verdict, verdictStatement } from '../../src/rebuild/verdicts.ts';
import { MACHINES, type Machine, NOON, type RebuildWorld } from './trust-world.ts';

/** Packages that each of the results has. */
const PACKAGES = 3;

/**
 * Puts results on record as if they had been handed in: each source package built by two operators. No packages are there.
 * @param results so many, an even number
 * @param disputed so many pairs differ; all but the first have a verdict
 */
export async function keepManyResults(
  { dir, config: { work }, keys }: RebuildWorld,
  { results, disputed }: { readonly results: number; readonly disputed: number },
): Promise<RebuildResult[]> {
  const own = createPrivateKey(readFileSync(join(dir, 'own.pem')));
  const kept: RebuildResult[] = [];
  for (let pair = 0; pair < results / 2; pair += 1) {
    const builders: readonly Machine[] = pair % 2 === 0 ? ['alpha', 'beta'] : ['gamma', 'delta'];
    const [one, other] = builders.map((builder, side) => {
      const header = (number: number) => sha256(`${pair} ${number} ${pair < disputed ? side : 0}`);
      return resultOf(builder, keys[builder], pair, header);
    });
    if (one === undefined || other === undefined) throw new Error('a pair is two');
    for (const result of [one, other]) keep(work, result, own);
    kept.push(one, other);
    if (pair < disputed) await dispute(work, one, other, { own, isOpen: pair === 0 });
  }
  return kept;
}

function resultOf(builder: Machine, key: KeyObject, pair: number, header: (number: number) => string): RebuildResult {
  const job = randomBytes(16).toString('hex');
  const name = `package-${pair}`;
  const packages = Array.from({ length: PACKAGES }, (_, number) => {
    const nevra = `${name}${number === 0 ? '' : `-part${number}`}-1.0-1.x86_64`;
    return { file: `${nevra}.rpm`, nevra, header: header(number), sha256: sha256(`${job} ${number}`), size: 4000 };
  });
  return {
    resultVersion: 1,
    ...{ job, source: { nevra: `${name}-1.0-1.src`, sha256: sha256(name) }, builder, operator: MACHINES[builder] },
    ...{ root: 'ab'.repeat(32), arch: 'x86_64', scratch: false, startedAt: NOON + pair, finishedAt: NOON + pair + 60 },
    ...{ outcome: 'built', packages, log: { path: 'attempt-1/log', sha256: sha256(job) }, probe: sha256('probe') },
    signature: sign('sha256', Buffer.from(job), key).toString('base64'),
  };
}

function keep(work: string, result: RebuildResult, own: KeyObject): void {
  const folder = resultFolder(work, result.job);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'result.json'), recordText(result, RESULT));
  const draw: Draw = { drawVersion: 1, day: '2026-11-21', level: 'new', rate: 0, wanted: false };
  writeFileSync(join(folder, 'draw.json'), recordText(draw, DRAW));
  writeFileSync(statementPath(work, result.job), signed(rebuildStatement(result), own));
}

function signed(statement: Buffer, own: KeyObject): string {
  return envelopeLine(statement, sign('sha256', signedBytes(STATEMENT_TYPE, statement), own));
}

async function dispute(
  work: string,
  one: RebuildResult,
  other: RebuildResult,
  { own, isOpen }: { readonly own: KeyObject; readonly isOpen: boolean },
): Promise<void> {
  const side = (result: RebuildResult) => {
    const { job, builder, operator, outcome } = result;
    return { job, builder, operator, outcome, fingerprint: fingerprintOf(result) };
  };
  const record: Dispute = {
    ...{ disputeVersion: 1, id: disputeId(one, other), kind: 'dispute', class: 'identical', at: one.finishedAt },
    ...{ source: { ...one.source }, root: one.root, arch: one.arch, one: side(one), other: side(other) },
    packages: one.packages.map(({ nevra, header }, number) => ({
      package: nevra,
      ...{ one: header, other: other.packages[number]?.header ?? '' },
      tags: [
        { tag: 'FILEDIGESTS', one: [sha256('one')], other: [sha256('other')], count: 1, files: ['/usr/bin/hello'] },
      ],
    })),
    evidence: ['one/statement.intoto.jsonl', 'other/statement.intoto.jsonl'],
  };
  await writeDispute(work, record);
  if (isOpen) return;
  const verdict: Verdict = {
    ...{
      dispute: record.id,
      verdict: 'environment',
      builders: [other.builder],
      by: 'Jane Doe',
      note: 'another kernel',
    },
    ...{ fingerprints: [record.other.fingerprint], jobs: [other.job], at: NOON },
  };
  await addVerdict(work, record.id, signed(verdictStatement(verdict, record), own));
}
