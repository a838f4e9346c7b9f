import { onTestFinished, vi } from 'vitest';
import type { Task } from '../../src/base/task.ts';

/** A task under which the life of a lock passes at once when somebody begins to watch it; no clock of the day moves. */
export function lockLifePasses<Given extends Task>(task: Given): Given {
  const real = performance.now.bind(performance);
  let passed = 0;
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => real() + passed);
  onTestFinished(() => spy.mockRestore());
  return {
    ...task,
    say: (line: string) => {
      if (line.includes('watching it')) passed += 6 * 60_000;
      task.say(line);
    },
  };
}
