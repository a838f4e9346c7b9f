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

/** What the log has instead of data. */
const dataNote = (bytes: number): string => (bytes === 0 ? '' : `(${bytes} bytes of data)\n`);

/**
 * Reads all of a stream; undefined when it is more than is taken. A few kilobytes of others may unpack into more than the memory holds.
 * @param options most bytes, by default 500 million, and whether they are data, which is not for the log
 */
export async function wholeText(
  stream: Readable,
  log: WriteStream | undefined,
  { mostBytes: most = MOST_BYTES, data }: Pick<RunOptions, 'mostBytes' | 'data'>,
): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  const redactor = createRedactor();
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > most) return undefined;
    chunks.push(Buffer.from(chunk));
    if (data === undefined) log?.write(redactor.push(chunk));
  }
  log?.write(data === undefined ? redactor.rest() : dataNote(length));
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
  data?: RunOptions['data'],
): Promise<string> {
  let [kept, hidden] = ['', 0];
  for await (const line of linesOf(stream, { carriageReturns: true })) {
    if (data === true || data?.(line) === true) hidden += Buffer.byteLength(line) + 1;
    else log?.write(`${redact(line)}\n`);
    if (name === 'stderr') kept = tail(`${kept}${line}\n`);
    onLine(line, name);
  }
  log?.write(dataNote(hidden));
  return kept;
}
