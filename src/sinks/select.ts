import type { Listener } from '../run/events.ts';
import { jsonListener } from './json.ts';
import { lineListener } from './lines.ts';
import { terminalListener } from './terminal.ts';

export type LogFormat = 'auto' | 'plain' | 'json';

/** The listener for this program's standard error: live on a terminal, lines in a pipe, JSON when asked for. */
export function selectListener(format: LogFormat, stream: NodeJS.WriteStream): { listen: Listener; close(): void } {
  const none = () => undefined;
  if (format === 'json') return { listen: jsonListener(stream), close: none };
  if (format === 'auto' && stream.isTTY) return terminalListener(stream);
  return { listen: lineListener((line) => stream.write(`${line}\n`)), close: none };
}
