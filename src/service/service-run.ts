import { asNightlyError } from '../base/as-nightly-error.ts';
import { livingPid, processIdentity } from '../base/process-id.ts';
import { quietTask } from '../base/task.ts';
import type { Config } from '../config/config.ts';
import { lockHolder } from '../run/lock-holder.ts';
import { untilRunLockFree } from '../run/run-lock.ts';
import { endingOfExit, endingOfRecords, planAttempt, startAttempt, untilEnded } from './job-attempt.ts';
import type { Ending } from './jobs.ts';
import type { ServiceLog } from './service-log.ts';
import type { Attempt, Job } from './service-state.ts';

/** Time between the request to end and the kill of a run's whole process group. */
const END_MS = 30_000;

/** A run under way: a process of this service's, or of an earlier one's. */
export interface Run {
  /** The job as it was stored, with its attempt. */
  readonly job: Job;
  readonly ended: Promise<Ending>;
  /** Asks it to end: it does so as interrupted, to be resumed. */
  stop(): void;
  /** It keeps running without this service. */
  forget(): void;
}

export interface RunContext {
  readonly config: Config;
  readonly log: ServiceLog;
  /** Aborted when nothing more is to begin. */
  readonly signal: AbortSignal;
  /** Writes the job down as it is now. */
  readonly save: (job: Job) => Promise<void>;
}

/**
 * Begins a job once nobody has the run lock. What is about to be is written down first, so that whoever comes after a
 * kill knows of the run.
 * @throws NightlyError `interrupted` when the signal comes while it waits, `tool-missing`.
 */
export async function beginRun({ config, log, signal, save }: RunContext, job: Job): Promise<Run> {
  const holder = await lockHolder(config.work);
  if (holder) log(`${job.stream}: waits for "${holder.command}", process ${holder.pid}`, { stream: job.stream });
  await untilRunLockFree(config.work, quietTask(undefined, signal));
  const attempt = await planAttempt(config.work);
  await save({ ...job, attempt });
  const child = await startAttempt(config, job);
  const identity = processIdentity(child.pid);
  const started = { ...job, attempt: { ...attempt, ...(identity === undefined ? {} : { process: identity }) } };
  await save(started);
  return {
    job: started,
    ended: child.exited.then((code) => endingOfExit(config, started, code)),
    stop: () => endProcess(started.attempt),
    forget: () => child.forget(),
  };
}

/** Goes on with a run of an earlier service: waits for its process where it lives, and reads how it ended. */
export function adoptRun({ config }: RunContext, job: Job, attempt: Attempt): Run {
  const forgotten = new AbortController();
  return {
    job,
    ended: untilEnded(config.work, attempt, forgotten.signal).then(() => endingOfRecords(config, job)),
    stop: () => endProcess(attempt),
    forget: () => forgotten.abort(),
  };
}

/** SIGTERM to the program, which ends what it started; to the whole group what does not help. */
function endProcess({ process: identity }: Attempt): void {
  if (identity === undefined) return;
  signalTo(identity, 'SIGTERM', 1);
  setTimeout(() => signalTo(identity, 'SIGKILL', -1), END_MS).unref();
}

function signalTo(identity: string, signal: NodeJS.Signals, sign: 1 | -1): void {
  const pid = livingPid(identity);
  if (pid === undefined) return;
  try {
    process.kill(sign * pid, signal);
  } catch (error) {
    // Ended between the look and here.
    if (asNightlyError(error).code === 'permission') throw error;
  }
}
