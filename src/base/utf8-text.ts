import { isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import type { SourcePlace } from './errors.ts';
import { formatBytes } from './format.ts';

/** What is read of a text file: its text, or where it stops being UTF-8. */
export type TextRead =
  | { readonly text: string }
  | { readonly fault: { readonly place: SourcePlace; readonly message: string } };

/** More than people write; a device such as /dev/zero has no end. */
const MOST_BYTES = 16 * 1024 * 1024;

/**
 * Reads a text that people write, also from a pipe. Node itself puts a replacement for each byte that is no UTF-8, and says nothing.
 */
export async function readUtf8(path: string): Promise<TextRead> {
  const file = await open(path);
  const bytes = await startOf(file).finally(() => file.close());
  if (bytes.length > MOST_BYTES) {
    const message = `more than ${formatBytes(MOST_BYTES)}, and so no file that somebody has written.`;
    return { fault: { place: { file: path, line: 1, column: 1 }, message } };
  }
  const text = bytes.toString('utf8');
  if (isUtf8(bytes)) return { text };
  const again = Buffer.from(text, 'utf8');
  const wrong = again.findIndex((byte, at) => byte !== bytes[at]);
  const lines = again.subarray(0, wrong).toString('utf8').split('\n');
  const place = { file: path, line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
  return { fault: { place, message: 'a byte that is no UTF-8; save the file in UTF-8.' } };
}

/** Returns what a file has, or a little more than is taken. */
async function startOf(file: FileHandle): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  while (length <= MOST_BYTES) {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(64 * 1024) });
    if (bytesRead === 0) break;
    pieces.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
  }
  return Buffer.concat(pieces);
}
