import type { ProgressUnit } from './progress.ts';

/**
 * What a step hands down to engines, images, targets and tools: how to stop, where output goes, whom to tell how far
 * it got. It carries no build state: values travel as arguments and results.
 */
export interface Task {
  /** Aborted when the run is interrupted; every process started with this task is then killed as a group. */
  readonly signal: AbortSignal;
  /** The step's log file; everything a started program prints is appended to it. */
  readonly logFile: string;
  /** One line for people: shown on the terminal and written to the log. */
  say(line: string): void;
  /** How far a long piece of work is. `total` may be unknown. */
  progress(done: number, total: number | undefined, unit: ProgressUnit): void;
}

/** Returns a silent task, for work outside any step. It logs to the given file, or nowhere. */
export function quietTask(logFile = '/dev/null', signal = new AbortController().signal): Task {
  return { signal, logFile, say: () => undefined, progress: () => undefined };
}
