import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { ifThere, isErrno, makeFolder, readTextIfExists, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordOf, readRecord, readRecordIfGood, recordFormat, recordText } from '../base/read-record.ts';
import { sha256Hex } from '../build/record-values.ts';
import { jobId, packageFile, RESULT, type RebuildResult } from './result.ts';
import type { SourcePackage } from './source-package.ts';

/** A job (`work/rebuild/jobs/JOB/job.json`). */
export const JOB = recordFormat({
  version: FORMATS.job,
  schema: z.looseObject({
    'job-version': z.literal(FORMATS.job.newest),
    job: jobId,
    source: z.looseObject({ nevra: z.string().min(1), sha256: sha256Hex }),
    scratch: z.boolean(),
    'duplicate-of': jobId.exactOptional(),
    /** The machines that were given the job, the last one at the end: what an earlier one says later does not count. */
    attempts: z.array(z.string().min(1)),
    /** What the last one was told to build in, and which verdict let it: written before anything is sent, so that a later run can go on. */
    given: z
      .looseObject({ root: sha256Hex, arch: z.string().min(1), probe: sha256Hex, 'started-at': z.int().min(0) })
      .exactOptional(),
  }),
  hint: 'Run the rebuild again: it makes a new job.',
});

/** A job: one source package that is to be built once. */
export type Job = RecordOf<typeof JOB>;

/** The commitment of an attempt (`work/rebuild/jobs/JOB/attempt-N/commitment.json`). */
export const COMMITMENT = recordFormat({
  version: FORMATS.commitment,
  schema: z.looseObject({
    'commitment-version': z.literal(FORMATS.commitment.newest),
    packages: z.array(z.looseObject({ file: packageFile, sha256: sha256Hex, size: z.int().min(1) })),
    signature: z.base64(),
  }),
  hint: 'The job has to be run again.',
});

/** What a builder has committed itself to before it knew whether another has to build the same: digests, and its signature over them. */
export type Commitment = RecordOf<typeof COMMITMENT>;

/** The folder of a job. @param folder `work/rebuild` */
export const jobFolder = (folder: string, job: string): string => join(folder, 'jobs', job);

/** The folder of the running attempt of a job. */
export const attemptFolder = (folder: string, { job, attempts }: Job): string =>
  join(jobFolder(folder, job), `attempt-${attempts.length}`);

/**
 * Makes a job in a folder of its own. @param about.duplicateOf the job whose result it is compared with; it was drawn with the id that
 * this one gets
 */
export async function createJob(
  folder: string,
  source: SourcePackage,
  about: { readonly scratch: boolean; readonly duplicate?: { readonly job: string; readonly of: string } },
): Promise<Job> {
  const { nevra, sha256 } = source;
  const duplicate = about.duplicate === undefined ? {} : { duplicateOf: about.duplicate.of };
  const job = {
    jobVersion: 1,
    job: about.duplicate?.job ?? randomBytes(16).toString('hex'),
    source: { nevra, sha256 },
    scratch: about.scratch,
  } as const;
  await writeFileAtomic(untoldPath(folder, job.job), '');
  return save(folder, { ...job, ...duplicate, attempts: [] });
}

/** Is there from a job's first moment until a run has told what became of it: a kill comes between any two of its steps. */
const untoldPath = (folder: string, job: string): string => join(jobFolder(folder, job), 'untold');

/** Says that whoever asked for a job was told of its result: it is over, and the same source package is another job from now on. */
export async function markTold(folder: string, job: string): Promise<void> {
  await rm(untoldPath(folder, job), { force: true });
}

/** Gives a job to a machine: from now on no earlier one's result is taken. @returns the job with that attempt */
export async function beginAttempt(folder: string, { given: _, ...job }: Job, machine: string): Promise<Job> {
  const begun = await save(folder, { ...job, attempts: [...job.attempts, machine] });
  await makeFolder(attemptFolder(folder, begun));
  return begun;
}

/** Says what the machine of the last attempt is about to get. @returns the job with that */
export const giveJob = (folder: string, job: Job, given: NonNullable<Job['given']>): Promise<Job> =>
  save(folder, { ...job, given });

/** A job that is not over. */
export interface OpenJob {
  readonly job: Job;
  /** What it gave, where a run was killed between that and telling it. */
  readonly result: RebuildResult | undefined;
}

/** Returns all jobs, sorted, by their folders. */
async function jobNames(folder: string): Promise<string[]> {
  const names = (await ifThere(readdir(join(folder, 'jobs')))) ?? [];
  return names.filter((name) => jobId.safeParse(name).success).sort();
}

/** Returns the jobs of which a result is on record, by the folders of results. */
const recordedJobs = async (folder: string): Promise<ReadonlySet<string>> =>
  new Set((await ifThere(readdir(join(folder, 'results')))) ?? []);

/** Returns the jobs of which no result is on record, sorted, by their folders. @param folder `work/rebuild` */
export async function jobsWithoutResult(folder: string): Promise<string[]> {
  const recorded = await recordedJobs(folder);
  return (await jobNames(folder)).filter((name) => !recorded.has(name));
}

/**
 * Reads the jobs that are not over: those without a result on record, and those whose result nobody was told of. Only these are read. A
 * damaged one is none: a new job is made in its place.
 * @param folder `work/rebuild`
 */
export async function readOpenJobs(folder: string): Promise<OpenJob[]> {
  const recorded = await recordedJobs(folder);
  const open: OpenJob[] = [];
  for (const name of await jobNames(folder)) {
    if (recorded.has(name) && !existsSync(untoldPath(folder, name))) continue;
    const job = readRecordIfGood(await readTextIfExists(join(jobFolder(folder, name), 'job.json')), JOB);
    const text = await readTextIfExists(join(jobFolder(folder, name), 'result.json'));
    const result = readRecordIfGood(text, RESULT);
    if (job?.job === name && (text === undefined || result !== undefined)) open.push({ job, result });
  }
  return open;
}

async function save(folder: string, job: Job): Promise<Job> {
  await writeFileAtomic(join(jobFolder(folder, job.job), 'job.json'), recordText(job, JOB));
  return job;
}

/**
 * Takes the commitment of an attempt, once and for all. A second one is taken only if it is the same, and none from a machine that
 * the job was taken away from.
 * @throws NightlyError `verify` naming the machine and why its result does not count.
 */
export async function takeCommitment(folder: string, { job, attempts }: Job, commitment: Commitment): Promise<void> {
  const machine = attempts.at(-1);
  const path = join(jobFolder(folder, job), 'job.json');
  const now = readRecord(await readFile(path), JOB, path);
  if (now.attempts.length !== attempts.length) {
    throw new NightlyError('verify', `${machine} answers late: job ${job} is with ${now.attempts.at(-1)} by now.`, {
      hint: 'Its result is not used, whatever it is.',
    });
  }
  const text = recordText(commitment, COMMITMENT);
  const place = join(attemptFolder(folder, now), 'commitment.json');
  if (await createOnce(place, text)) return;
  const before = readRecord(await readFile(place), COMMITMENT, place);
  if (JSON.stringify(before.packages) === JSON.stringify(commitment.packages)) return;
  throw new NightlyError('verify', `${machine} gives another result for job ${job} than the one it has signed.`, {
    hint: `Neither is used. What it signed first is in ${place}.`,
  });
}

/** Writes the result of a job, once: there is never a second one. @throws NightlyError `verify` when there is one already. */
export async function settleJob(folder: string, result: RebuildResult): Promise<void> {
  const path = join(jobFolder(folder, result.job), 'result.json');
  if (await createOnce(path, recordText(result, RESULT))) return;
  throw new NightlyError('verify', `Job ${result.job} has a result already; that of ${result.builder} comes second.`);
}

/** Reads a job; undefined where there is none. @throws NightlyError `record` for a damaged one. */
export async function readJob(folder: string, job: string): Promise<Job | undefined> {
  const path = join(jobFolder(folder, job), 'job.json');
  const text = await readTextIfExists(path);
  return text === undefined ? undefined : readRecord(text, JOB, path);
}

/** Reads the result of a job; undefined while it has none. @throws NightlyError `record` for a damaged one. */
export async function readResult(folder: string, job: string): Promise<RebuildResult | undefined> {
  const path = join(jobFolder(folder, job), 'result.json');
  const text = await readTextIfExists(path);
  return text === undefined ? undefined : readRecord(text, RESULT, path);
}

/** Makes a file that is whole from its first moment and is never replaced. @returns false when there is one already */
async function createOnce(path: string, text: string): Promise<boolean> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  await writeFileAtomic(aside, text);
  try {
    await link(aside, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}
