import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../base/files.ts';
import { livingPid } from '../base/process-id.ts';
import { quietTask } from '../base/task.ts';
import { compareBuildIds } from '../build/build-id.ts';
import { listBuildIds, type StoredBuild, surveyBuilds } from '../build/build-store.ts';
import { readJournal } from '../build/journal.ts';
import type { BuildState } from '../build/outcomes.ts';
import type { Config } from '../config/config.ts';
import { type LaunchedProcess, launch } from '../programs/launch.ts';
import { untilRunLockFree } from '../run/run-lock.ts';
import { type Ending, type Result, resultOfExit } from './jobs.ts';
import { restorePriority } from './priority.ts';
import { type Attempt, type Job, serviceFolder } from './service-state.ts';

/** How often a process that is nobody's child here is looked at. */
const LOOK_MS = 300;
/** Time that a run has from its start until it holds the run lock, with some to spare. */
const START_MS = 5000;

/** Returns what to write down before an attempt is started. */
export async function planAttempt(work: string): Promise<Attempt> {
  const [newest] = await listBuildIds(work);
  return { since: new Date().toISOString(), ...(newest === undefined ? {} : { newestBefore: newest }) };
}

/** The output of a stream's last run: pino's JSON lines, and the program's last words. */
export const outputPath = (work: string, stream: string): string => join(serviceFolder(work), `${stream}.log`);

/**
 * Starts this very program for a job: `nightly STREAM`, or `resume BUILD` once there is a build.
 * @throws NightlyError `tool-missing`.
 */
export async function startAttempt(config: Config, job: Job): Promise<LaunchedProcess> {
  const command = job.build === undefined ? ['nightly', job.stream] : ['resume', job.build];
  await makeFolder(serviceFolder(config.work));
  const [program = '', script = ''] = process.argv;
  const args = [...process.execArgv, script, '--config', config.path, '--log-format', 'json', ...command];
  const output = { path: outputPath(config.work, job.stream), flags: job.build === undefined ? 'w' : 'a' } as const;
  const child = await launch(program, args, { output });
  restorePriority(child.pid);
  return child;
}

/** Returns how an attempt of this service ended. */
export async function endingOfExit(config: Config, job: Job, code: number | null): Promise<Ending> {
  const result = resultOfExit(code);
  // Whoever had the lock may have made builds meanwhile; they are not this job's.
  const build = result === 'locked' ? undefined : await buildOf(config.work, job);
  return { result, unseen: false, ...(build ? { build: build.paths.id } : {}) };
}

/**
 * Waits until the process of an earlier service's attempt has ended. One that was killed between the intent and the note
 * of the process may have left a run all the same, which has the run lock once it is up.
 * @throws NightlyError `interrupted`, or the signal's reason.
 */
export async function untilEnded(work: string, attempt: Attempt, signal: AbortSignal): Promise<void> {
  if (attempt.process === undefined) {
    await sleep(START_MS, undefined, { signal });
    await untilRunLockFree(work, quietTask(undefined, signal));
    return;
  }
  while (livingPid(attempt.process) !== undefined) await sleep(LOOK_MS, undefined, { signal });
}

/** Returns how an attempt ended whose exit code nobody saw: the build's record and journal know. */
export async function endingOfRecords(config: Config, job: Job): Promise<Ending> {
  const build = await buildOf(config.work, job);
  if (!build) return { result: 'killed', unseen: true };
  const { paths, meta } = build;
  const result = resultOfState(meta.state);
  const good = result === 'complete' || result === 'unchanged';
  // A good end is written into the record first and into the journal last: between the two there is work left.
  const cut = good && (await readJournal(paths.journal)).at(-1)?.event !== 'end';
  return { result: cut ? 'killed' : result, unseen: true, build: paths.id };
}

function resultOfState(state: BuildState): Result {
  switch (state) {
    case 'complete':
    case 'unchanged':
    case 'gate-failed':
    case 'interrupted':
    case 'failed':
      return state;
    case 'incomplete':
      return 'failed';
    case 'running':
      return 'killed';
  }
}

/** Finds the build an attempt works on: the one it continues, or what its stream got since; none whose record is damaged. */
async function buildOf(work: string, { build, stream, attempt }: Job): Promise<StoredBuild | undefined> {
  const { builds } = await surveyBuilds(work);
  if (build !== undefined) return builds.find(({ paths }) => paths.id === build);
  const { newestBefore = '' } = attempt ?? {};
  return builds.find(({ paths, meta }) => meta.stream === stream && compareBuildIds(paths.id, newestBefore) > 0);
}
