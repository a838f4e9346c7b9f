import { ifThere, openRegular } from '../../base/files.ts';
import { plainLog } from '../../reports/pages/page-text.ts';

/** A line of a log with its number in the file, from 1: as `grep -n` counts. */
export interface LogLine {
  readonly number: number;
  readonly text: string;
}

/** A part of a log, and what was found in it. */
export interface LogView {
  /** Bytes of the whole file. */
  readonly size: number;
  readonly lines: readonly LogLine[];
  /** Whether there are lines before and after those. */
  readonly before: boolean;
  readonly after: boolean;
  /** The first lines that match; empty without a question. */
  readonly matches: readonly LogLine[];
  /** How many match in all. */
  readonly matching: number;
  /** Whether only the end of the file was looked at. */
  readonly endOnly: boolean;
}

export interface LogQuestion {
  /** What lines are to contain, whatever its case. */
  readonly text?: string;
  /** The line to show, with those around it; default: the end. */
  readonly line?: number;
}

/** How much of the end of a file can be searched and shown: reading it takes some tens of milliseconds. */
const SEARCHED_BYTES = 4 * 1024 * 1024;
/** How many lines a page has, and about how many bytes of them. */
const SHOWN = { lines: 1500, bytes: 256 * 1024 } as const;
/** How many matches are listed. */
const LISTED = 200;
/** Characters of a match that are listed. */
const MATCH_LENGTH = 500;
const CHUNK = 1024 * 1024;
const NEWLINE = 0x0a;

/** Reads a part of a log and searches it; undefined when there is no such file. */
export async function viewLog(path: string, { text = '', line }: LogQuestion): Promise<LogView | undefined> {
  const found = await readEnd(path);
  if (!found) return undefined;
  const wanted = text.toLowerCase();
  const [matches, around, window]: [LogLine[], LogLine[], LineWindow] = [[], [], createWindow()];
  let [matching, number] = [0, found.linesBefore];
  for (const raw of linesOf(found.text)) {
    number += 1;
    const one = { number, text: isPlain(raw) ? raw : plainLog(raw) };
    if (wanted !== '' && one.text.toLowerCase().includes(wanted)) {
      matching += 1;
      if (matches.length < LISTED) matches.push({ number, text: one.text.slice(0, MATCH_LENGTH) });
    }
    if (line === undefined) window.push(one);
    else if (Math.abs(number - line) <= SHOWN.lines / 2) around.push(one);
  }
  // A line that is not there: the end is.
  const shown = line === undefined || around.length === 0 ? window.lines() : shortened(around);
  return {
    size: found.size,
    lines: shown,
    before: (shown[0]?.number ?? 1) > 1,
    after: (shown.at(-1)?.number ?? number) < number,
    matches,
    matching,
    endOnly: found.linesBefore > 0,
  };
}

/** Reads the end of a file, from a whole line on, and counts the lines before it. */
async function readEnd(path: string) {
  const file = await ifThere(openRegular(path));
  if (!file) return undefined;
  try {
    const { size } = await file.stat();
    const chunk = Buffer.alloc(Math.min(CHUNK, size));
    let [at, linesBefore, start] = [0, 0, 0];
    while (size - at > SEARCHED_BYTES) {
      const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK, size - SEARCHED_BYTES - at), at);
      if (bytesRead === 0) break;
      for (let end = chunk.indexOf(NEWLINE); end !== -1 && end < bytesRead; end = chunk.indexOf(NEWLINE, end + 1)) {
        linesBefore += 1;
        start = at + end + 1;
      }
      at += bytesRead;
    }
    // A line longer than all that is searched is cut.
    const from = Math.max(start, size - 2 * SEARCHED_BYTES, 0);
    const end = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(end, 0, end.length, from);
    return { size, linesBefore, text: end.subarray(0, bytesRead).toString() };
  } finally {
    await file.close();
  }
}

/** Lines without colours and progress bars, which are most, need no second look. */
const isPlain = (raw: string): boolean => !raw.includes('\r') && !raw.includes('\u001b');

function* linesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const next = end === -1 ? text.length : end;
    yield text.slice(at, next);
    at = next + 1;
  }
}

interface LineWindow {
  push(line: LogLine): void;
  lines(): readonly LogLine[];
}

/** Keeps the last lines that it is given, as many as a page has. */
function createWindow(): LineWindow {
  let kept: LogLine[] = [];
  return {
    push(line) {
      kept.push(line);
      if (kept.length > 2 * SHOWN.lines) kept = kept.slice(-SHOWN.lines);
    },
    lines: () => shortened(kept.slice(-SHOWN.lines).toReversed()).toReversed(),
  };
}

/** Leaves out what is too much for a page, from the end; one line is always there, cut where it alone is too much. */
function shortened(lines: readonly LogLine[]): LogLine[] {
  let bytes = 0;
  const fitting = lines.filter(({ text }, index) => {
    bytes += text.length;
    return index === 0 || bytes <= SHOWN.bytes;
  });
  return fitting.map(({ number, text }) => ({ number, text: text.slice(0, SHOWN.bytes) }));
}
