import type { JournalEntry } from '../../build/journal.ts';

/** A step of a build, as its journal has it. */
export interface StepTime {
  readonly step: string;
  readonly state: 'done' | 'failed' | 'running' | 'cut off';
  /** ms since the epoch. */
  readonly start: number;
  /** Undefined while it runs, or when it was cut off. */
  readonly end?: number;
  readonly message?: string;
}

/**
 * Returns the steps of a build in the order they first began, each as it stands after the last attempt.
 * @param since ms since the epoch: what began before it and did not end was cut off by a kill; Infinity when nothing
 *   runs
 */
export function stepTimes(entries: readonly JournalEntry[], since: number): StepTime[] {
  const steps = new Map<string, StepTime>();
  for (const entry of entries) {
    if (entry.event === 'end') continue;
    const { step, event } = entry;
    const at = Date.parse(entry.at);
    if (event === 'start') steps.set(step, { step, state: at < since ? 'cut off' : 'running', start: at });
    else {
      const start = steps.get(step)?.start ?? at;
      const message = event === 'failed' ? { message: entry.message } : {};
      steps.set(step, { step, state: event, start, end: at, ...message });
    }
  }
  return [...steps.values()];
}

/**
 * Seconds during which any step was at work, over all attempts: pauses before a resume do not count, nor what a kill
 * cut off. @param now ms since the epoch; the end of steps that still run
 */
export function workingSeconds(entries: readonly JournalEntry[], now?: number): number {
  const open = new Map<string, number>();
  const spans: [number, number][] = [];
  for (const entry of entries) {
    if (entry.event === 'end') open.clear();
    else if (entry.event === 'start') open.set(entry.step, Date.parse(entry.at));
    else {
      const start = open.get(entry.step);
      if (start !== undefined) spans.push([start, Date.parse(entry.at)]);
      open.delete(entry.step);
    }
  }
  if (now !== undefined) for (const start of open.values()) spans.push([start, now]);
  return joinedSeconds(spans);
}

/** What stands for steps that are folded away. */
export const finishedText = (count: number): string => (count === 1 ? '1 finished step' : `${count} finished steps`);

/** Seconds that some spans of ms cover together: what overlaps counts once. */
export function joinedSeconds(spans: readonly (readonly [start: number, end: number])[]): number {
  let [total, until] = [0, Number.NEGATIVE_INFINITY];
  for (const [start, end] of spans.toSorted((a, b) => a[0] - b[0])) {
    total += Math.max(0, end - Math.max(start, until));
    until = Math.max(until, end);
  }
  return total / 1000;
}
