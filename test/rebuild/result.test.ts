import { expect, it } from 'vitest';
import { readRecord, recordText } from '../../src/base/read-record.ts';
import { RESULT, type RebuildResult, signedText } from '../../src/rebuild/result.ts';

const DIGEST = 'a'.repeat(64);
const JOB = '0'.repeat(32);

const sample: RebuildResult = {
  resultVersion: 1,
  job: JOB,
  source: { nevra: 'hello-1-1.src', sha256: DIGEST },
  builder: 'alpha',
  operator: 'example.org',
  root: DIGEST,
  arch: 'x86_64',
  scratch: false,
  startedAt: 1,
  finishedAt: 2,
  outcome: 'built',
  packages: [{ file: 'hello-1-1.x86_64.rpm', nevra: 'hello-1-1.x86_64', header: DIGEST, sha256: DIGEST, size: 3 }],
  log: { path: 'attempt-1/log', sha256: DIGEST },
  probe: DIGEST,
  signature: 'AAAA',
};

it('a result is read as it was written', () => {
  expect(readRecord(recordText(sample, RESULT), RESULT, 'result.json')).toEqual(sample);
});

it.each(['../x.rpm', 'a/b.rpm', '.x.rpm', '-x.rpm', 'x.rpm\n', 'x.txt'])(
  'no package file is called %j (I12)',
  (file) => {
    const [one] = sample.packages;
    const text = recordText({ ...sample, packages: one ? [{ ...one, file }] : [] }, RESULT);
    expect(() => readRecord(text, RESULT, 'result.json')).toThrow('must be the name of an RPM file');
  },
);

it('what a builder signs does not depend on the order of its packages', () => {
  expect(signedText(JOB, ['b', 'a'])).toBe(signedText(JOB, ['a', 'b']));
  expect(signedText(JOB, ['a', 'b'])).toBe(`atomic-nightly-result v1\n${JOB}\na\nb\n`);
});
