import { shownText } from '../../base/output.ts';
import type { Listener } from '../../build/events.ts';
import { jsonLog, type LogContext } from './json-lines.ts';
import { lineListener } from './progress-lines.ts';
import { terminalListener } from './terminal.ts';

export type LogFormat = 'auto' | 'plain' | 'json';

/** What people see of a run. */
export interface Shown {
  readonly listen: Listener;
  /** A line that belongs to no step. */
  note(line: string): void;
  close(): void;
}

/** Returns the listener for this program's standard error: live on a terminal, lines in a pipe, JSON when asked for. */
export function selectListener(format: LogFormat, stream: NodeJS.WriteStream, about: Partial<LogContext> = {}): Shown {
  const close = () => undefined;
  if (format === 'json') return { ...jsonLog(stream, { build: null, stream: null, ...about }), close };
  const note = (line: string) => stream.write(`${shownText(line)}\n`);
  // A dumb terminal has no cursor to move (terminfo).
  if (format === 'auto' && stream.isTTY && process.env['TERM'] !== 'dumb') {
    const terminal = terminalListener(stream);
    return { listen: terminal.listen, note, close: terminal.close };
  }
  return { listen: lineListener((line) => stream.write(`${shownText(line)}\n`)), note, close };
}
