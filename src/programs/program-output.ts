import { createWriteStream, type WriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { linesOf } from '../base/lines.ts';
import { createRedactor, redact } from '../base/redact.ts';
import type { Task } from '../base/task.ts';
import { commandLine } from './program-fault.ts';
import type { RunOptions } from './spawn.ts';

/** Opens a task's log for the output of a program, and writes the command line into it; without a task there is none. */
export function openLog(task: Task | undefined, command: string, args: readonly string[]): WriteStream | undefined {
  if (!task) return undefined;
  const log = createWriteStream(task.logFile, { flags: 'a' });
  // A full disk must not hide what the program itself reports about it.
  log.on('error', () => undefined);
  log.write(`$ ${commandLine(command, args)}\n`);
  return log;
}

/** Waits until the log is written, so that whoever reads it after a failure finds all of it. */
export async function closeLog(log: WriteStream | undefined): Promise<void> {
  if (log && !log.destroyed) await new Promise<void>((settle) => log.once('close', settle).end());
}

/** More than any program has to print, or any repository's metadata has; a text cannot be much longer. */
export const MOST_BYTES = 500_000_000;

/**
 * Reads all of a stream; undefined when it is more than is taken. A few kilobytes of others may unpack into more than the memory holds.
 * @param most bytes; default: 500 million
 */
export async function wholeText(
  stream: Readable,
  log: WriteStream | undefined,
  most = MOST_BYTES,
): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  const redactor = createRedactor();
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > most) return undefined;
    chunks.push(Buffer.from(chunk));
    log?.write(redactor.push(chunk));
  }
  log?.write(redactor.rest());
  return Buffer.concat(chunks).toString('utf8');
}

const TAIL_BYTES = 64 * 1024;
/** Returns the end of a text. */
export const tail = (text: string): string => text.slice(-TAIL_BYTES);

/** Reads a stream and keeps its end. */
export async function tailOf(stream: Readable, log: WriteStream | undefined): Promise<string> {
  let kept = '';
  const redactor = createRedactor();
  for await (const chunk of stream) {
    log?.write(redactor.push(chunk));
    kept = tail(kept + String(chunk));
  }
  log?.write(redactor.rest());
  return kept;
}

/** Reads a stream by lines; keeps the end of standard error. */
export async function eachLine(
  stream: Readable,
  name: 'stdout' | 'stderr',
  onLine: NonNullable<RunOptions['onLine']>,
  log: WriteStream | undefined,
): Promise<string> {
  let kept = '';
  for await (const line of linesOf(stream, { carriageReturns: true })) {
    log?.write(`${redact(line)}\n`);
    if (name === 'stderr') kept = tail(`${kept}${line}\n`);
    onLine(line, name);
  }
  return kept;
}
