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

/** Returns text for people as it is written to a terminal or a pipe: secrets taken out, made harmless, in the locale's characters. */
export function shownText(text: string, env: NodeJS.ProcessEnv = process.env): string {
  const shown = harmlessLines(redact(text));
  if (isUnicode(env)) return shown;
  return shown.replace(/[^\n\t\x20-\x7e]/gu, (found) => ASCII[found] ?? '?');
}

/** Writes a line for people to a stream, in colours where the stream shows them. */
export function writeLine(stream: NodeJS.WritableStream, text: string): void {
  stream.write(`${coloured(text, stream, shownText)}\n`);
}

/** Nobody reads any more. */
const GONE = ['EPIPE', 'EIO', 'ECONNRESET', 'EBADF', 'ENXIO'];
/** Somebody will read, and there is no room for it. */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/**
 * Lets whoever reads our output go away: a closed pipe (`list | head`), a terminal that hung up, a log file on a full disk. What is
 * written from then on is lost and nothing else, so that a nightly build runs to its end without its reader. Output for which there
 * was no room is a failure all the same, reported when the program ends.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? '';
      if (NO_ROOM.includes(code)) {
        if (stream === process.stdout) failAtEnd(`Not all of the output could be written: ${error.message}.`);
      } else if (!GONE.includes(code)) throw error;
    });
  }
}

function failAtEnd(why: string): void {
  process.once('exit', (code) => {
    writeLine(process.stderr, `error: ${why}`);
    if (code === 0) process.exitCode = 1;
  });
}
