import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { envelopeLine, STATEMENT_TYPE, signedBytes } from '../../src/attest/dsse.ts';
import { type RecordFormat, readRecord } from '../../src/base/read-record.ts';
import { CHECK, LEDGER } from '../../src/rebuild/builder-ledger.ts';
import { DISPUTE, type Dispute } from '../../src/rebuild/dispute-record.ts';
import { DRAW_DAY } from '../../src/rebuild/draw-secrets.ts';
import { CLASS_RECORD } from '../../src/rebuild/package-classes.ts';
import { DRAW } from '../../src/rebuild/result-store.ts';
import { readVerdicts, type Verdict, verdictStatement } from '../../src/rebuild/verdicts.ts';
import { fuzz, fuzzAsync, mutatedJson, mutatedText } from '../support/fuzz.ts';
import { sharedFolder } from '../support/tmp.ts';

const dir = sharedFolder();
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 2000);
/** These formats are of plain values. */
const FEWER = { runs: Math.ceil(RUNS / 4) };
const SHA = 'ab'.repeat(32);
const JOB = 'cd'.repeat(16);
const ID = 'ef'.repeat(6);
const side = { job: JOB, builder: 'alpha', operator: 'one.example', outcome: 'built', fingerprint: SHA };
const tag = { tag: 'BUILDTIME', one: ['1'], other: ['2'], count: 1, files: ['/a'] };
const RECORDED = {
  ...{
    'dispute-version': 1,
    id: ID,
    kind: 'task',
    class: 'unknown',
    at: 1,
    source: { nevra: 'a-1-1.src', sha256: SHA },
  },
  ...{ root: SHA, arch: 'x86_64', one: side, other: side, evidence: ['one/a.rpm'] },
  packages: [{ package: 'a-1-1.x86_64', one: SHA, other: SHA, tags: [tag] }],
};

const FORMATS: readonly (readonly [string, RecordFormat<unknown>, object])[] = [
  [
    'draw.json',
    DRAW,
    {
      'draw-version': 1,
      day: '2026-11-21',
      level: 'new',
      rate: 1,
      wanted: true,
      duplicate: { job: JOB, 'not-before': 1 },
    },
  ],
  ['a day of draws', DRAW_DAY, { 'day-version': 1, day: '2026-11-21', commitment: SHA, 'made-at': 1, secret: SHA }],
  [
    'the history of a builder',
    LEDGER,
    { 'ledger-version': 1, name: 'a', history: [{ at: 1, level: 'new', by: 'x', reason: 'y', dispute: ID }] },
  ],
  ['a look at a builder', CHECK, { 'check-version': 1, at: 1, ok: true, probe: SHA, faults: ['x'] }],
  [
    'the classes of a package',
    CLASS_RECORD,
    {
      'class-version': 1,
      name: 'a',
      history: [
        {
          at: 1,
          class: 'known-differences',
          differences: [{ package: 'a', tag: 'X', files: ['/a'] }],
          by: 'x',
          reason: 'y',
        },
      ],
    },
  ],
  ['a dispute', DISPUTE, RECORDED],
];

describe('records of rebuilds', () => {
  it.each(FORMATS)('%s: what is damaged is refused by its name', (_, format, sample) => {
    const read = (text: string) => {
      try {
        return readRecord(text, format, 'FILE');
      } catch (error) {
        if (error instanceof Error && !error.message.includes('FILE')) throw new TypeError(`no file: ${error.message}`);
        throw error;
      }
    };
    expect(read(JSON.stringify(sample))).toBeTruthy();
    fuzz(mutatedJson([sample]), (value) => read(JSON.stringify(value) ?? ''), FEWER);
    fuzz(mutatedText([JSON.stringify(sample)]), read, FEWER);
  });

  it('verdicts: a line that is damaged, or of another key, counts for nothing, and hides no other', async () => {
    const [own, other] = [
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ];
    const dispute: Dispute = readRecord(JSON.stringify(RECORDED), DISPUTE, 'FILE');
    const verdict: Verdict = {
      dispute: ID,
      verdict: 'tampered',
      builders: ['alpha'],
      fingerprints: [SHA],
      jobs: [JOB],
      by: 'x',
      note: 'y',
      at: 1,
    };
    const payload = verdictStatement(verdict, dispute);
    const line = (key: typeof own) =>
      envelopeLine(payload, sign('sha256', signedBytes(STATEMENT_TYPE, payload), key.privateKey));
    const folder = join(dir, 'rebuild/disputes', ID);
    mkdirSync(folder, { recursive: true });
    const read = async (text: string) => {
      writeFileSync(join(folder, 'verdicts.intoto.jsonl'), `${text}\n${line(own)}`);
      return readVerdicts(dir, ID, own.publicKey);
    };
    expect(await read(line(other))).toMatchObject({ verdicts: [verdict], faults: [{ code: 'record' }] });
    await fuzzAsync(mutatedText([line(other)]), read, {
      runs: Math.ceil(RUNS / 10),
      check: ({ verdicts }) => expect(verdicts).toEqual([verdict]),
    });
  });
});
