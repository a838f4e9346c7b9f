import { appendFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { FarMachine } from '../../builders/far-machine.ts';
import { type JobState, parseJobState } from '../../rebuild/far-job.ts';

/** Between questions, whatever the far side does. */
const PAUSE_MS = 300;
/** A question is answered as soon as the job has ended, and else after a part of the time that the job has taken so far. */
const WAIT_SHARE = 0.25;
const [SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS] = [1, 5];
/** One question takes milliseconds beside its wait; a machine that takes longer is asked again. */
const ANSWER_SECONDS = 30;
/** Bytes; no build that ends prints more. */
const LONGEST_LOG = 1 << 30;

/**
 * Follows a job on its machine to its end, and has its log here as it grows. A connection that breaks is taken up again: what
 * counts is that the log or the processor time of the job grows within the time.
 * @param logFile appended to
 * @returns the exit code of the build
 * @throws NightlyError `builder-unreachable` for a machine that shows no progress or has lost the job.
 */
export async function followJob(
  machine: FarMachine,
  { job, logFile, stallSeconds }: { readonly job: string; readonly logFile: string; readonly stallSeconds: number },
  task: Task,
): Promise<number> {
  const { name } = machine.config;
  let offset = 0;
  let before: JobState | undefined;
  const begun = performance.now();
  let progressAt = begun;
  for (;;) {
    const silent = (performance.now() - progressAt) / 1000;
    if (silent > stallSeconds) {
      throw new NightlyError(
        'builder-unreachable',
        `${name} has shown no progress on job ${job} for ${stallSeconds} s.`,
      );
    }
    const share = ((performance.now() - begun) / 1000) * WAIT_SHARE;
    const wait = Math.min(Math.max(share, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS);
    const answer = await ask(machine, { job, offset, wait }, task);
    if (answer !== undefined) {
      const { state, log } = answer;
      if (log.length > 0) await appendFile(logFile, log);
      offset += log.length;
      if (offset > LONGEST_LOG) throw new NightlyError('verify', `Job ${job} on ${name} prints without an end.`);
      if (state.state === 'gone') throw new NightlyError('builder-unreachable', `${name} has lost job ${job}.`);
      if (state.state !== 'run' && offset >= state.logSize) return state.state;
      if (state.ticks !== before?.ticks || log.length > 0) progressAt = performance.now();
      before = state;
    }
    await pause(PAUSE_MS, undefined, { signal: task.signal }).catch(() => undefined);
    task.signal.throwIfAborted();
  }
}

/** Asks once; undefined when the machine cannot be reached. @param wait seconds that the machine waits for the end of the job */
async function ask(
  machine: FarMachine,
  { job, offset, wait }: { readonly job: string; readonly offset: number; readonly wait: number },
  task: Task,
): Promise<{ readonly state: JobState; readonly log: Buffer } | undefined> {
  try {
    const args = [job, offset, Math.round(wait * 2)].map(String);
    const answer = await machine.call('poll', args, task, { stallSeconds: ANSWER_SECONDS });
    const end = answer.indexOf(0x0a);
    const line = answer.subarray(0, Math.max(end, 0)).toString('utf8');
    return { state: parseJobState(line, machine.config.name), log: answer.subarray(end + 1) };
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'builder-unreachable') return undefined;
    throw error;
  }
}
