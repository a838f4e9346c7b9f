import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { newDuplicate } from '../../src/rebuild/duplicates.ts';
import {
  beginAttempt,
  createJob,
  jobFolder,
  markTold,
  readOpenJobs,
  readResult,
  settleJob,
  takeCommitment,
} from '../../src/rebuild/job.ts';
import { rebuildFolder } from '../../src/rebuild/rebuild-folder.ts';
import type { RebuildResult } from '../../src/rebuild/result.ts';
import { keepResult } from '../../src/rebuild/result-store.ts';
import { temporaryFolder } from '../support/tmp.ts';

const DIGEST = 'a'.repeat(64);
const SOURCE = { path: '/x.src.rpm', nevra: 'x-1-1.src', sha256: DIGEST, size: 1, requires: [], epoch: 1 };
const commitment = (sha256: string, signature = 'AAAA') => ({
  commitmentVersion: 1 as const,
  packages: [{ file: 'x-1-1.noarch.rpm', sha256, size: 1 }],
  signature,
});

const resultOf = (job: string): RebuildResult => ({
  ...{
    resultVersion: 1,
    job,
    source: { nevra: SOURCE.nevra, sha256: DIGEST },
    builder: 'alpha',
    operator: 'example.org',
  },
  ...{ root: DIGEST, arch: 'x86_64', scratch: true, startedAt: 1, finishedAt: 2, outcome: 'failed', packages: [] },
  ...{ log: { path: 'attempt-1/log', sha256: DIGEST }, probe: DIGEST, signature: 'AAAA' },
});

it('what a machine says of a job that was taken away from it does not count, whatever it is (I18)', async () => {
  const folder = temporaryFolder();
  const first = await beginAttempt(folder, await createJob(folder, SOURCE, { scratch: false }), 'alpha');
  const second = await beginAttempt(folder, first, 'beta');
  await expect(takeCommitment(folder, first, commitment(DIGEST))).rejects.toMatchObject({
    code: 'verify',
    message: `alpha answers late: job ${first.job} is with beta by now.`,
  });
  await takeCommitment(folder, second, commitment(DIGEST));
});

it('a machine cannot change what it has signed, but may say it again, as after a connection that broke (I18)', async () => {
  const folder = temporaryFolder();
  const job = await beginAttempt(folder, await createJob(folder, SOURCE, { scratch: false }), 'alpha');
  await takeCommitment(folder, job, commitment(DIGEST));
  // ECDSA signs the same text in another way each time.
  await takeCommitment(folder, job, commitment(DIGEST, 'BBBB'));
  await expect(takeCommitment(folder, job, commitment('b'.repeat(64)))).rejects.toThrow('another result');
  const kept = await readFile(join(jobFolder(folder, job.job), 'attempt-1/commitment.json'), 'utf8');
  expect(kept).toContain(DIGEST);
});

it('a job has one result, the first', async () => {
  const folder = temporaryFolder();
  const { job } = await createJob(folder, SOURCE, { scratch: true });
  expect(await readResult(folder, job)).toBe(undefined);
  const result = resultOf(job);
  await settleJob(folder, result);
  await expect(settleJob(folder, { ...result, builder: 'beta' })).rejects.toThrow('comes second');
  expect(await readResult(folder, job)).toEqual(result);
});

it('a job is open until a run has told of it, also when its result is on record, as after a kill in between (I18)', async () => {
  const work = temporaryFolder();
  const folder = rebuildFolder(work);
  const [{ job }, other] = [
    await createJob(folder, SOURCE, { scratch: false }),
    await createJob(folder, SOURCE, { scratch: false }),
  ];
  const result = resultOf(job);
  await settleJob(folder, result);
  await keepResult(work, result);
  const open = async () => (await readOpenJobs(folder)).map((one) => [one.job.job, one.result?.builder]).sort();
  expect(await open()).toEqual(
    [
      [job, 'alpha'],
      [other.job, undefined],
    ].sort(),
  );
  await markTold(folder, job);
  expect(await open()).toEqual([[other.job, undefined]]);
  // Without a result on record it is open, whoever was told what.
  await markTold(folder, other.job);
  expect(await open()).toEqual([[other.job, undefined]]);
});

it('two jobs have nothing in common, so that nobody can tell a duplicate', async () => {
  const folder = temporaryFolder();
  const one = await createJob(folder, SOURCE, { scratch: false });
  const other = await createJob(folder, SOURCE, {
    scratch: false,
    duplicate: { job: newDuplicate(0).job, of: one.job },
  });
  expect(other.job).not.toBe(one.job);
  expect(other.job).toMatch(/^[0-9a-f]{32}$/);
});
