import { createHash, verify } from 'node:crypto';
import { open, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, sha256File } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { FarMachine } from '../../builders/far-machine.ts';
import { readStatementKey } from '../../builders/statement-key.ts';
import type { BuildRoot } from '../../rebuild/build-root.ts';
import { type AnnouncedPackage, parseCommitment, parseJobState } from '../../rebuild/far-job.ts';
import {
  attemptFolder,
  giveJob,
  type Job,
  jobFolder,
  readJob,
  readResult,
  settleJob,
  takeCommitment,
} from '../../rebuild/job.ts';
import { jobId, type RebuildResult, signedText } from '../../rebuild/result.ts';
import type { SourcePackage } from '../../rebuild/source-package.ts';
import { readPackageIdentity } from '../../rpm/package-identity.ts';
import { followJob } from './follow-job.ts';
import { namesOn, startJob } from './start-job.ts';

export interface AttemptRequest {
  /** `work/rebuild` */
  readonly folder: string;
  /** The job, this attempt as its last. */
  readonly job: Job;
  readonly source: SourcePackage;
  readonly root: BuildRoot;
  readonly arch: string;
  /** SHA-256 of the verdict on the machine, which let it have the job. */
  readonly probe: string;
  readonly stallSeconds: number;
  /** Build roots that stay on the machine. */
  readonly keepRoots: number;
}

/**
 * Builds a source package on a machine that has passed its check, and takes the result: what it signed, the packages with these
 * digests, and what they are by their own headers.
 * @throws NightlyError `builder-unreachable` when another machine should have the job, `verify` for a result that does not count.
 */
export async function runAttempt(machine: FarMachine, request: AttemptRequest, task: Task): Promise<RebuildResult> {
  const { folder, root, arch, probe } = request;
  const given = { root: root.commit, arch, probe, startedAt: seconds() };
  const job = await giveJob(folder, request.job, given);
  await startJob(machine, request, task);
  return finishAttempt(machine, { ...request, job, given }, task);
}

/**
 * Whether a machine still has what it was given of a job in the same root, so that a run after one that was killed can wait for its
 * result. What is left of a build that has come to nothing is removed there.
 */
export async function isUnderWay(machine: FarMachine, { job }: Job, task: Task): Promise<boolean> {
  if (!(await namesOn(machine, 'jobs', task)).has(job)) return false;
  const line = await machine.call('poll', [job, '0', '0'], task).catch((error: unknown) => {
    // Only a part of the source package arrived.
    if (error instanceof NightlyError && error.code === 'tool-failed') return undefined;
    throw error;
  });
  const end = line?.indexOf(0x0a) ?? -1;
  if (line && parseJobState(line.subarray(0, Math.max(end, 0)).toString('utf8'), machine.config.name).state !== 'gone')
    return true;
  await machine.call('drop', [job], task);
  return false;
}

/**
 * Removes from a machine what it has of jobs that have a result, or that it lost to another one: a run that was killed had no time for
 * it. Jobs of other projects are not known here and stay.
 */
export async function dropOver(machine: FarMachine, folder: string, task: Task): Promise<void> {
  for (const name of await namesOn(machine, 'jobs', task)) {
    if (!jobId.safeParse(name).success) continue;
    const job = await readJob(folder, name);
    if (job === undefined) continue;
    const isOver = job.attempts.at(-1) !== machine.config.name || (await readResult(folder, name)) !== undefined;
    if (isOver) await machine.call('drop', [name], task);
  }
}

/** Follows the build that a machine was given to its end, and takes its result. @throws NightlyError as `runAttempt` does */
export async function finishAttempt(
  machine: FarMachine,
  request: AttemptRequest & { readonly given: NonNullable<Job['given']> },
  task: Task,
): Promise<RebuildResult> {
  const { folder, job, given, stallSeconds } = request;
  const attempt = attemptFolder(folder, job);
  const logFile = join(attempt, 'log');
  await writeFile(logFile, '');
  const exitCode = await followJob(machine, { job: job.job, logFile, stallSeconds }, task);
  const { packages, signature } = await committed(machine, job, task);
  await takeCommitment(folder, job, { commitmentVersion: 1, packages: packages.map((one) => ({ ...one })), signature });
  const outcome = exitCode === 0 && packages.length > 0 ? 'built' : 'failed';
  const files = join(attempt, 'packages');
  const fetched = outcome === 'built' ? await fetchPackages(machine, { job: job.job, packages, files }, task) : [];
  const result: RebuildResult = {
    resultVersion: 1,
    job: job.job,
    source: job.source,
    builder: machine.config.name,
    operator: machine.config.operator,
    root: given.root,
    arch: given.arch,
    scratch: job.scratch,
    ...(job.duplicateOf === undefined ? {} : { duplicateOf: job.duplicateOf }),
    ...{ startedAt: given.startedAt, finishedAt: seconds(), outcome },
    packages: await describe(files, fetched, request.source),
    log: { path: relative(jobFolder(folder, job.job), logFile), sha256: await sha256File(logFile) },
    probe: given.probe,
    signature,
  };
  await settleJob(folder, result);
  await machine.call('drop', [job.job], task);
  return result;
}

const seconds = (): number => Math.floor(Date.now() / 1000);

/** Asks for what the machine has built, signed; checks the signature. */
async function committed(machine: FarMachine, { job }: Job, task: Task) {
  const { name, sign, statementKey } = machine.config;
  const key = await readStatementKey(statementKey);
  const text = (await machine.call('sign', [job, sign], task)).toString('utf8');
  const commitment = parseCommitment(text, name);
  const signed = Buffer.from(
    signedText(
      job,
      commitment.packages.map(({ sha256 }) => sha256),
    ),
  );
  if (verify('sha256', signed, key, Buffer.from(commitment.signature, 'base64'))) return commitment;
  throw new NightlyError('verify', `The result of ${name} for job ${job} is not signed by the key of its operator.`, {
    hint: `It is not used. ${statementKey} should be the public half of the key that "${sign}" uses there.`,
  });
}

/** Fetches packages and compares each with the digest that was signed. */
async function fetchPackages(
  machine: FarMachine,
  {
    job,
    packages,
    files,
  }: { readonly job: string; readonly packages: readonly AnnouncedPackage[]; readonly files: string },
  task: Task,
): Promise<readonly AnnouncedPackage[]> {
  await makeFolder(files);
  const left = [...packages];
  let current = await openNext(left, files);
  await machine.call('fetch', [job], task, {
    onOutput: async (chunk) => {
      let rest = chunk;
      while (rest.length > 0) {
        if (current === undefined) throw differs(machine, job, 'sends more than it announced');
        const part = rest.subarray(0, current.missing);
        await current.file.write(part);
        current.hash.update(part);
        current.missing -= part.length;
        rest = rest.subarray(part.length);
        if (current.missing > 0) continue;
        await current.file.close();
        if (current.hash.digest('hex') !== current.sha256)
          throw differs(machine, job, `sends another ${current.name} than it signed`);
        current = await openNext(left, files);
      }
    },
  });
  if (current !== undefined) throw differs(machine, job, `sends only a part of ${current.name}`);
  return packages;
}

async function openNext(left: AnnouncedPackage[], files: string) {
  const next = left.shift();
  if (next === undefined) return undefined;
  const { file: name, size, sha256 } = next;
  return { name, missing: size, sha256, file: await open(join(files, name), 'w'), hash: createHash('sha256') };
}

const differs = (machine: FarMachine, job: string, what: string): NightlyError =>
  new NightlyError('verify', `${machine.config.name} ${what} (job ${job}).`, { hint: 'Its result is not used.' });

/** What packages are, computed from their files; each must have been built of this source package. */
async function describe(files: string, packages: readonly AnnouncedPackage[], { path: source, nevra }: SourcePackage) {
  const { name, version } = await readPackageIdentity(source);
  const described: RebuildResult['packages'][number][] = [];
  for (const { file, sha256, size } of packages) {
    const is = await readPackageIdentity(join(files, file));
    // Its release may end in the build root's %{dist}.
    if (is.sourceRpm?.startsWith(`${name}-${version}-`) !== true) {
      throw new NightlyError(
        'verify',
        `${file} says that it was built of ${is.sourceRpm ?? 'no source package'}, not of ${nevra}.`,
      );
    }
    described.push({ file, nevra: is.nevra, header: is.header, sha256, size });
  }
  return described;
}
