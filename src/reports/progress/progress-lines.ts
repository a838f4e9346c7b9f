import { formatProgress, formatSeconds } from '../../base/format.ts';
import { gistOf, oneLine } from '../../base/one-line.ts';
import { toned } from '../../base/tone.ts';
import type { Listener, RunEvent } from '../../build/events.ts';

/** Seconds between two progress lines of one step: a log of an hour's download stays readable. */
const PROGRESS_EVERY_MS = 5000;

/** Returns a listener that writes plain lines, for a pipe or CI: one for each event, and progress every few seconds. */
export function lineListener(write: (line: string) => void): Listener {
  const lastProgress = new Map<string, number>();
  return (event) => {
    if (event.type === 'step-started') lastProgress.set(event.step, performance.now());
    if (event.type === 'step-progress') {
      const now = performance.now();
      if (now - (lastProgress.get(event.step) ?? 0) < PROGRESS_EVERY_MS) return;
      lastProgress.set(event.step, now);
    }
    write(describeEvent(event));
  };
}

/** Returns a listener that writes a line for each failed step and nothing else. */
export function quietListener(write: (line: string) => void): { readonly listen: Listener } {
  return { listen: (event) => event.type === 'step-failed' && write(describeEvent(event)) };
}

/** Returns an event as one line, whatever characters its texts have. */
export function describeEvent(event: RunEvent): string {
  return lineOf(event).split('\n').map(oneLine).join(' ');
}

function lineOf(event: RunEvent): string {
  switch (event.type) {
    case 'run-started':
      return `${event.resumed ? 'Resuming' : 'Starting'} build ${event.build} of stream ${event.stream}`;
    case 'step-started':
      return `  … ${event.step}`;
    case 'step-kept':
      return `  = ${event.step}: done in an earlier attempt`;
    case 'step-line':
      return `    ${event.step}: ${event.line}`;
    case 'step-progress':
      return `    ${event.step}: ${formatProgress(event.done, event.total, event.unit)}`;
    case 'step-done':
      return `  ${toned('good', '✓')} ${event.step} (${formatSeconds(event.seconds)})`;
    case 'step-failed':
      return `  ${toned('bad', '✗')} ${event.step} (${formatSeconds(event.seconds)}): ${gistOf(event.message)}`;
    case 'run-ended':
      return `Build ${event.build}: ${event.state} (${formatSeconds(event.seconds)})`;
  }
}
