import { stat } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { findProgram } from './find-program.ts';

/** Unpacking both takes memory and time by their size; above it the headers have to do. */
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_REPORT = 1024 * 1024;
/** A comparison that ran for an hour was no help to anybody. */
const LIMIT_MS = 120_000;

/**
 * Has diffoscope write down, for people, what two RPM files differ in, where it is installed.
 * @param out the text file that it writes, with at most a megabyte
 * @returns whether there is one: not for files too large, nor where it takes longer than two minutes
 */
export async function diffoscope(one: string, other: string, out: string, task: Task): Promise<boolean> {
  if ((await findProgram('diffoscope')) === undefined) return false;
  const sizes = await Promise.all([one, other].map(async (path) => (await stat(path)).size));
  if (Math.max(...sizes) > MOST_BYTES) return false;
  const limits = ['--max-text-report-size', String(MOST_REPORT), '--no-progress'];
  try {
    const { exitCode } = await run('diffoscope', [...limits, '--text', out, one, other], {
      task,
      timeoutMs: LIMIT_MS,
      okExitCodes: [0, 1],
    });
    return exitCode === 1;
  } catch (error) {
    task.signal.throwIfAborted();
    if (!(error instanceof NightlyError)) throw error;
    task.say(`diffoscope: ${error.message.split('\n')[0]}`);
    return false;
  }
}
