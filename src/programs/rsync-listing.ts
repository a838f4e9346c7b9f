import { NightlyError } from '../base/errors.ts';

/** An entry of what `rsync --list-only` prints. */
export interface ListedEntry {
  /** First letter of a line of `ls -l`: `-` is a file, `d` a folder, `l` a link. */
  readonly type: string;
  readonly bytes: number;
  /** Relative to the folder rsync was given; of a link with what it leads to. */
  readonly path: string;
}

// -rw-r--r--          1,234 2026/11/21 10:00:00 objects/ab/cd.filez
const LINE = /^([-dlbcps])[-rwxsStT]{9}[.+@]? +(\d[\d,.]*) (\d{4,}\/\d\d\/\d\d) (\d\d:\d\d:\d\d) (.+)$/s;

/**
 * Reads a line of `rsync --list-only --no-human-readable --8-bit-output`. Names are as rsync prints them: a control
 * character, and the backslash of what would look like one, stand there as `\#` and three octal digits (log.c,
 * `filtered_fwrite`).
 * @throws NightlyError `unsupported` for a line of another form: half a listing would be taken for the whole.
 */
export function parseListLine(line: string): ListedEntry {
  const [, type, size = '', , , name] = LINE.exec(line) ?? [];
  const bytes = Number(size.replaceAll(/[,.]/g, ''));
  if (type === undefined || name === undefined || !Number.isSafeInteger(bytes)) {
    throw notUnderstood(line);
  }
  return { type, bytes, path: unescaped(name) };
}

/** Returns the failure for a line of rsync's that should have another form. */
export function notUnderstood(line: string): NightlyError {
  return new NightlyError('unsupported', `rsync printed something unexpected: ${JSON.stringify(line)}.`, {
    hint: 'Is "rsync" here the one from samba.org, 3.2.5 or newer? docs/relied-on.md lists what it must support.',
  });
}

/** Returns a name as it is. What is escaped is one byte each, and may be part of a character of several. */
export function unescaped(name: string): string {
  if (!name.includes('\\#')) return name;
  const parts = name.split(/\\#([0-3][0-7]{2})/);
  const bytes = parts.map((part, index) =>
    index % 2 === 0 ? Buffer.from(part) : Buffer.from([Number.parseInt(part, 8)]),
  );
  return Buffer.concat(bytes).toString();
}
