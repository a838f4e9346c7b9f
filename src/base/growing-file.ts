import { ifThere, openRegular } from './files.ts';

/** Bytes that are read at once. */
const PIECE = 1 << 20;

/** A text file that somebody else appends to. */
export interface GrowingFile {
  /** Returns the lines that are whole and were not returned before; none while there is no such file. */
  lines(): Promise<string[]>;
  /** Returns what stands behind the last whole line; undefined: nothing. */
  rest(): Promise<string | undefined>;
}

/**
 * Opens a file to be read as it grows. One that was written anew is read from its start.
 * @param tail so many of the lines that are there already count; default: all
 */
export function growingFile(path: string, tail = Number.POSITIVE_INFINITY): GrowingFile {
  let read = 0;
  let isFirst = true;
  const piece = async (): Promise<Buffer> => {
    const file = await ifThere(openRegular(path));
    if (!file) return Buffer.alloc(0);
    try {
      const { size } = await file.stat();
      if (size < read) read = 0;
      const buffer = Buffer.alloc(Math.min(PIECE, size - read));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, read);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  };
  return {
    async lines() {
      const lines: string[] = [];
      for (;;) {
        const bytes = await piece();
        // Up to a line feed, which is no part of any other character in UTF-8; a line longer than a piece comes in pieces.
        const whole = bytes.lastIndexOf(0x0a) + 1 || (bytes.length === PIECE ? PIECE : 0);
        if (whole === 0) break;
        read += whole;
        for (const line of bytes.toString('utf8', 0, whole).replace(/\n$/, '').split('\n')) lines.push(line);
        if (isFirst && lines.length > tail) lines.splice(0, lines.length - tail);
      }
      isFirst = false;
      return lines;
    },
    async rest() {
      const bytes = await piece();
      return bytes.length === 0 ? undefined : bytes.toString('utf8');
    },
  };
}
