import { appendFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { FarMachine } from '../../builders/far-machine.ts';
import { type JobState, parseJobState } from '../../rebuild/far-job.ts';

const SHORTEST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5000;
/** Between questions; each is a connection, which on a busy machine takes from the build that it asks for. */
const PAUSE_SHARE = 0.03;
/** One question takes milliseconds; a machine that takes longer is asked again. */
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
    const answer = await ask(machine, job, offset, task);
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
    const share = (performance.now() - begun) * PAUSE_SHARE;
    const wait = Math.min(Math.max(share, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS);
    await pause(wait, undefined, { signal: task.signal }).catch(() => undefined);
    task.signal.throwIfAborted();
  }
}

/** Asks once; undefined when the machine cannot be reached. */
async function ask(
  machine: FarMachine,
  job: string,
  offset: number,
  task: Task,
): Promise<{ readonly state: JobState; readonly log: Buffer } | undefined> {
  try {
    const answer = await machine.call('poll', [job, String(offset)], task, { stallSeconds: ANSWER_SECONDS });
    const end = answer.indexOf(0x0a);
    const line = answer.subarray(0, Math.max(end, 0)).toString('utf8');
    return { state: parseJobState(line, machine.config.name), log: answer.subarray(end + 1) };
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'builder-unreachable') return undefined;
    throw error;
  }
}
