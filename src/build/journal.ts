import { open } from 'node:fs/promises';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { readTextIfExists, sha256 } from '../base/files.ts';
import { type RecordFormat, readRecord, recordFormat } from '../base/read-record.ts';
import { isUnreadable, unreadable } from '../base/unreadable.ts';
import { buildState } from './build-record-format.ts';
import type { BuildState } from './outcomes.ts';
import { instant, word } from './record-values.ts';

/**
 * `journal.ndjson` of a build: one JSON object a line, appended and synced, never rewritten. A `done` line holds the
 * step's result, so that a resumed run can continue from it. A line cut short by a kill is the last one and is ignored.
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

/** The journal of steps that are never resumed. */
export const FORGETFUL: Journal = { entries: [], append: async () => undefined };

/** What a journal says, and which of its lines are none of ours. */
export interface JournalSurvey {
  readonly entries: readonly JournalEntry[];
  /** Code `record`, each with its place; one for a journal that cannot be read at all. */
  readonly faults: readonly NightlyError[];
}

const input = z.string();
const seconds = z.number();

const entryFormat: RecordFormat<JournalEntry> = recordFormat({
  schema: z.discriminatedUnion('event', [
    z.looseObject({ event: z.literal('start'), at: instant, step: word, input }),
    z.looseObject({
      event: z.literal('done'),
      at: instant,
      step: word,
      input,
      seconds,
      output: z.unknown().exactOptional(),
    }),
    z.looseObject({
      event: z.literal('failed'),
      at: instant,
      step: word,
      input,
      seconds,
      code: z.string(),
      message: z.string(),
    }),
    z.looseObject({ event: z.literal('end'), at: instant, state: buildState }),
  ]),
  hint: 'A build with a damaged journal cannot be continued: start a new nightly build. Nothing else is affected.',
});

/** The whole entries of a journal, without lines that are damaged; none when there is no such file. */
export async function readJournal(path: string): Promise<readonly JournalEntry[]> {
  return (await surveyJournal(path)).entries;
}

/** Reads as `readJournal` does, and reports what is wrong with it (I15). */
export async function surveyJournal(path: string): Promise<JournalSurvey> {
  try {
    return parse(wholeLines((await readTextIfExists(path)) ?? ''), path);
  } catch (error) {
    if (isUnreadable(error)) return { entries: [], faults: [unreadable(path, error)] };
    throw error;
  }
}

/**
 * Opens a journal for appending, and drops a line that a kill cut short. Only the holder of the run lock may.
 * @throws NightlyError `record` when a line is damaged: what was done is not known then, and nothing is done twice by guess.
 */
export async function openJournal(path: string): Promise<Journal> {
  const { entries, faults } = await surveyJournal(path);
  if (faults[0]) throw faults[0];
  const text = (await readTextIfExists(path)) ?? '';
  const whole = wholeLines(text);
  if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
  return {
    entries,
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

function parse(lines: string, path: string): JournalSurvey {
  const [entries, faults]: [JournalEntry[], NightlyError[]] = [[], []];
  for (const [index, line] of lines.split('\n').entries()) {
    if (line === '') continue;
    try {
      entries.push(readRecord(line, entryFormat, `${path}:${index + 1}`));
    } catch (error) {
      if (!(error instanceof NightlyError)) throw error;
      faults.push(error);
    }
  }
  return { entries, faults };
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
