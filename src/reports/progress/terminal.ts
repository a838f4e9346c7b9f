import type { WriteStream } from 'node:tty';
import { formatProgress, formatSeconds } from '../../base/format.ts';
import { shownText, writeLine } from '../../base/output.ts';
import type { Listener } from '../../build/events.ts';
import { describeEvent } from './progress-lines.ts';

interface Active {
  readonly begun: number;
  detail: string;
}

const BAR_WIDTH = 20;

/**
 * Live progress for a terminal: finished things scroll by, the last line shows every running step with its time and
 * how far it is. Call `close` before writing anything else.
 */
export function terminalListener(out: WriteStream): { listen: Listener; close(): void } {
  const active = new Map<string, Active>();
  const clear = () => out.write('\r\x1b[2K');
  const draw = () => {
    if (active.size === 0) return;
    const steps = [...active].map(([step, { begun, detail }]) => {
      const time = formatSeconds((performance.now() - begun) / 1000);
      return `${step} ${time}${detail ? ` ${detail}` : ''}`;
    });
    clear();
    out.write(shownText(`  ▸ ${steps.join(' | ')}`).slice(0, Math.max(20, out.columns - 1)));
  };
  const timer = setInterval(draw, 200);
  timer.unref();
  return {
    listen(event) {
      switch (event.type) {
        case 'step-started':
          active.set(event.step, { begun: performance.now(), detail: '' });
          break;
        case 'step-progress': {
          const step = active.get(event.step);
          if (step)
            step.detail = `${bar(event.done, event.total)}${formatProgress(event.done, event.total, event.unit)}`;
          return;
        }
        case 'step-done':
        case 'step-failed':
          active.delete(event.step);
          clear();
          writeLine(out, describeEvent(event));
          break;
        case 'step-line':
        case 'step-kept':
        case 'run-started':
        case 'run-ended':
          clear();
          writeLine(out, describeEvent(event));
          break;
      }
      draw();
    },
    close() {
      clearInterval(timer);
      clear();
    },
  };
}

function bar(done: number, total: number | undefined): string {
  if (total === undefined || total <= 0) return '';
  const filled = Math.min(BAR_WIDTH, Math.round((done / total) * BAR_WIDTH));
  return `[${'█'.repeat(filled)}${'·'.repeat(BAR_WIDTH - filled)}] `;
}
