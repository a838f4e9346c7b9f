import { randomUUID } from 'node:crypto';
import { EXIT } from '../build/outcomes.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { Job } from './service-state.ts';

/** What came of an attempt; the exit codes of `nightly` and `resume`, and their end without one. */
export type Result =
  | 'complete'
  | 'failed'
  | 'usage'
  | 'unchanged'
  | 'locked'
  | 'gate-failed'
  | 'interrupted'
  /** No exit code: SIGKILL, out of memory, a machine that went down. */
  | 'killed';

/** A run that was killed so often in a row is given up: it may be what takes the machine down. */
const MAX_KILLS = 3;

/** Returns what an exit code of `nightly` or `resume` means (I7); null for a death by signal. */
export function resultOfExit(code: number | null): Result {
  if (code === null) return 'killed';
  return RESULTS.get(code) ?? 'failed';
}

const RESULTS: ReadonlyMap<number, Result> = new Map([
  [EXIT.done, 'complete'],
  [EXIT.usage, 'usage'],
  [EXIT.unchanged, 'unchanged'],
  [EXIT.locked, 'locked'],
  [EXIT.gateFailed, 'gate-failed'],
  [EXIT.interrupted, 'interrupted'],
]);

/** Returns a new night of a stream. */
export function newJob(stream: string, cause: Job['cause'], notBefore: Date): Job {
  return { id: randomUUID(), stream, cause, notBefore: notBefore.toISOString(), failures: 0, kills: 0 };
}

/** A night that has not begun: its build is not reserved. */
const isFresh = (job: Job): boolean => job.attempt === undefined && job.build === undefined && job.failures === 0;

/** Returns the night of a stream that waits to begin; requests that come until then are in it. */
export function waitingJob(jobs: readonly Job[], stream: string): Job | undefined {
  return jobs.find((job) => job.stream === stream && isFresh(job));
}

/** Adds a night, unless one of its stream waits to begin already: that one then begins at the earlier of both times. */
export function addJob(jobs: readonly Job[], job: Job): Job[] {
  const waiting = waitingJob(jobs, job.stream);
  if (!waiting) return [...jobs, job];
  if (waiting.notBefore <= job.notBefore) return [...jobs];
  return jobs.map((one) => (one === waiting ? { ...one, notBefore: job.notBefore } : one));
}

/** Returns the job that has waited longest beyond its time; undefined while one is at work or none is due. */
export function dueJob(jobs: readonly Job[], now: Date): Job | undefined {
  if (jobs.some(({ attempt }) => attempt !== undefined)) return undefined;
  const time = now.toISOString();
  return jobs.filter(({ notBefore }) => notBefore <= time).toSorted(byTime)[0];
}

/**
 * Returns jobs with a time that can be: one that waits longer than anything waits had its time from a clock that was ahead, and
 * is due now.
 * @param longest milliseconds of the longest wait there is
 */
export function withinReach(jobs: readonly Job[], now: Date, longest: number): readonly Job[] {
  const last = new Date(now.getTime() + longest).toISOString();
  if (jobs.every(({ notBefore }) => notBefore <= last)) return jobs;
  return jobs.map((job) => (job.notBefore <= last ? job : { ...job, notBefore: now.toISOString() }));
}

/** When the next job is due; undefined when none waits. */
export function nextDue(jobs: readonly Job[]): Date | undefined {
  const first = jobs.filter(({ attempt }) => attempt === undefined).toSorted(byTime)[0];
  return first && new Date(first.notBefore);
}

const byTime = (a: Job, b: Job): number => (a.notBefore < b.notBefore ? -1 : Number(a.notBefore > b.notBefore));

/** How an attempt ended. */
export interface Ending {
  readonly result: Result;
  /** The build it worked on, where it reserved one. */
  readonly build?: string;
  /** The service itself ended it, or was not there to see why it ended. */
  readonly unseen: boolean;
}

/**
 * Returns what is left of a job after an attempt: undefined when it is done with, for better or worse.
 * What people must look at (a failed gate, a wrong configuration, an interruption by hand) is not tried again.
 */
export function afterAttempt(job: Job, ending: Ending, retry: ServiceConfig['retry'], now: Date): Job | undefined {
  const { attempt: _, ...rest } = job;
  const build = ending.build ?? job.build;
  const left: Job = { ...rest, build, notBefore: now.toISOString() };
  const later = new Date(now.getTime() + retry.waitSeconds * 1000 * 2 ** job.failures).toISOString();
  switch (ending.result) {
    case 'complete':
    case 'unchanged':
    case 'gate-failed':
    case 'usage':
      return undefined;
    case 'locked':
      return left;
    case 'interrupted':
      return ending.unseen ? left : undefined;
    case 'killed':
      if (job.kills + 1 >= MAX_KILLS) return undefined;
      return { ...left, kills: job.kills + 1, ...(ending.unseen ? {} : { notBefore: later }) };
    case 'failed':
      if (job.failures >= retry.times) return undefined;
      return { ...left, failures: job.failures + 1, kills: 0, notBefore: later };
  }
}
