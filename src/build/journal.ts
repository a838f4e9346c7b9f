import { open } from 'node:fs/promises';
import { readTextIfExists, sha256 } from '../base/files.ts';
import type { BuildState } from './outcomes.ts';

/**
 * `journal.ndjson` of a build: one JSON object a line, appended and synced, never rewritten. A `done` line holds the
 * step's result, so that a resumed run can go on from it. A line cut short by a kill is the last one and is ignored.
 */
export type JournalEntry =
  | { readonly at: string; readonly event: 'start'; readonly step: string; readonly input: string }
  | {
      readonly at: string;
      readonly event: 'done';
      readonly step: string;
      readonly input: string;
      readonly seconds: number;
      readonly output?: unknown;
    }
  | {
      readonly at: string;
      readonly event: 'failed';
      readonly step: string;
      readonly input: string;
      readonly seconds: number;
      readonly code: string;
      readonly message: string;
    }
  /** The attempt came to its end and the record says how; without it, it was killed. */
  | { readonly at: string; readonly event: 'end'; readonly state: BuildState };

export interface Journal {
  readonly entries: readonly JournalEntry[];
  append(entry: JournalEntry): Promise<void>;
}

/** Returns the whole entries of a journal; none when there is no such file. */
export async function readJournal(path: string): Promise<JournalEntry[]> {
  return parse(wholeLines((await readTextIfExists(path)) ?? ''));
}

/** Opens a journal for appending, and drops a line that a kill cut short. Only the holder of the run lock may. */
export async function openJournal(path: string): Promise<Journal> {
  const text = (await readTextIfExists(path)) ?? '';
  const whole = wholeLines(text);
  if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
  return {
    entries: parse(whole),
    async append(entry) {
      const file = await open(path, 'a');
      try {
        await file.appendFile(`${JSON.stringify(entry)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
    },
  };
}

const wholeLines = (text: string): string => text.slice(0, text.lastIndexOf('\n') + 1);

function parse(lines: string): JournalEntry[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalEntry);
}

async function truncate(path: string, length: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.truncate(length);
  } finally {
    await file.close();
  }
}

/** Returns the last finished entry of a step that was given the same input. */
export function findDone(
  entries: readonly JournalEntry[],
  step: string,
  input: string,
): Extract<JournalEntry, { event: 'done' }> | undefined {
  for (const entry of entries.toReversed()) {
    if (entry.event === 'done' && entry.step === step) return entry.input === input ? entry : undefined;
  }
  return undefined;
}

/** Digest of a step's input: equal JSON (in the same key order, as the same code writes it) gives an equal digest. */
export function inputDigest(input: unknown): string {
  return sha256(JSON.stringify(input)).slice(0, 16);
}
