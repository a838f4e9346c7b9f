import { writeLine } from '../../base/output.ts';
import type { Listener } from '../../build/events.ts';
import { jsonLog, type LogContext } from './json-lines.ts';
import type { LogFormat } from './log-format.ts';
import { lineListener, quietListener } from './progress-lines.ts';
import { terminalListener } from './terminal.ts';
import { verboseListener } from './verbose-lines.ts';

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
  const write = (line: string) => writeLine(stream, line);
  // What is wrong is said in any case.
  if (format === 'quiet') return { ...quietListener(write), note: (line) => isWarning(line) && write(line), close };
  const note = write;
  if (format === 'verbose') return { ...verboseListener(write), note };
  // A dumb terminal has no cursor to move (terminfo).
  if (format === 'auto' && stream.isTTY && process.env['TERM'] !== 'dumb') {
    const terminal = terminalListener(stream);
    return { listen: terminal.listen, note, close: terminal.close };
  }
  return { listen: lineListener(write), note, close };
}

const isWarning = (line: string): boolean => line.startsWith('warning:');
