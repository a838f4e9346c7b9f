import type { Task } from '../../src/tools/task.ts';

/** A task for processes and benchmarks without a test around them: it says nothing, and logs where it is told. */
export function quietTask(logFile = '/dev/null'): Task {
  return { signal: new AbortController().signal, logFile, say: () => undefined, progress: () => undefined };
}
