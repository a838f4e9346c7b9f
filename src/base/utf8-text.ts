import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import type { SourcePlace } from './errors.ts';

/** What is read of a text file: its text, or where it stops being UTF-8. */
export type TextRead =
  | { readonly text: string }
  | { readonly fault: { readonly place: SourcePlace; readonly message: string } };

/** Reads a text that people write. Node itself puts a replacement for each byte that is no UTF-8, and says nothing. */
export async function readUtf8(path: string): Promise<TextRead> {
  const bytes = await readFile(path);
  const text = bytes.toString('utf8');
  if (isUtf8(bytes)) return { text };
  const again = Buffer.from(text, 'utf8');
  const wrong = again.findIndex((byte, at) => byte !== bytes[at]);
  const lines = again.subarray(0, wrong).toString('utf8').split('\n');
  const place = { file: path, line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
  return { fault: { place, message: 'a byte that is no UTF-8; save the file in UTF-8.' } };
}
