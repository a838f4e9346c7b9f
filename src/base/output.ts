import { harmlessLines } from './one-line.ts';
import { redact } from './redact.ts';
import { coloured } from './tone.ts';

/**
 * What stands for our symbols where the locale has no UTF-8 (locale(7): LC_ALL goes before LC_CTYPE, and that before LANG). A
 * locale that is not set at all says nothing about who reads a log, so that counts as UTF-8.
 */
const ASCII: Readonly<Record<string, string>> = {
  '✓': 'ok',
  '✗': 'FAILED',
  '…': '...',
  '▸': '>',
  '█': '#',
  '·': '.',
  '–': '-',
};

/** Whether what we print may be more than ASCII. */
export function isUnicode(env: NodeJS.ProcessEnv = process.env): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || 'C.UTF-8';
  return /utf-?8/i.test(locale);
}

/** Text for people, as it is written to a terminal or a pipe: secrets taken out, made harmless, in the locale's characters. */
export function shownText(text: string, env: NodeJS.ProcessEnv = process.env): string {
  const shown = harmlessLines(redact(text));
  if (isUnicode(env)) return shown;
  return shown.replace(/[^\n\t\x20-\x7e]/gu, (found) => ASCII[found] ?? '?');
}

/** Writes a line for people to a stream, in colours where the stream shows them. */
export function writeLine(stream: NodeJS.WritableStream, text: string): void {
  stream.write(`${coloured(text, stream, shownText)}\n`);
}

/**
 * Lets whoever reads our output go away: a closed pipe (`list | head`), a terminal that hung up. What is written from then on
 * is lost and nothing else, so that a night goes on to its end without its reader.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!['EPIPE', 'EIO', 'ECONNRESET', 'EBADF', 'ENXIO'].includes(error.code ?? '')) throw error;
    });
  }
}
