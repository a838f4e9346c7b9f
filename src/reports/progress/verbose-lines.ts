import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { Listener } from '../../build/events.ts';
import { lineListener } from './progress-lines.ts';

/** How often the logs of steps are looked at. */
const EVERY_MS = 300;

/** Bytes of a log that are shown at once. */
const PIECE = 1 << 20;

/** Lines of what happens, and in between what the programs of each step print, as it arrives in the step's log. */
export function verboseListener(write: (line: string) => void): { readonly listen: Listener; close(): void } {
  const logs = new Map<string, ShownLog>();
  const lines = lineListener(write);
  const show = (step: string) => {
    for (const line of newLines(logs.get(step))) write(`    ${step}: ${line}`);
  };
  const timer = setInterval(() => {
    for (const step of logs.keys()) show(step);
  }, EVERY_MS);
  timer.unref();
  return {
    listen(event) {
      // It is in the log as well.
      if (event.type === 'step-line') return;
      if (event.type === 'step-started' && event.log !== undefined) {
        logs.set(event.step, { path: event.log, shown: sizeOf(event.log) });
      }
      if (event.type === 'step-done' || event.type === 'step-failed') {
        show(event.step);
        logs.delete(event.step);
      }
      lines(event);
    },
    close: () => clearInterval(timer),
  };
}

interface ShownLog {
  readonly path: string;
  /** Bytes. */
  shown: number;
}

/** What an earlier attempt wrote was shown then. */
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** Returns the whole lines of a log that were not shown; at once, so that they stand before the event that comes next. */
function newLines(log: ShownLog | undefined): string[] {
  if (log === undefined || sizeOf(log.path) <= log.shown) return [];
  const lines: string[] = [];
  const file = openSync(log.path, 'r');
  try {
    const buffer = Buffer.alloc(PIECE);
    for (;;) {
      const read = readSync(file, buffer, 0, PIECE, log.shown);
      // A line longer than a piece comes in pieces.
      const whole = buffer.subarray(0, read).lastIndexOf(0x0a) + 1 || (read === PIECE ? PIECE : 0);
      if (whole === 0) return lines;
      log.shown += whole;
      for (const line of buffer.toString('utf8', 0, whole).replace(/\n$/, '').split('\n')) lines.push(line);
    }
  } finally {
    closeSync(file);
  }
}
