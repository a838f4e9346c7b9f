import { appendFile, open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfExists } from '../base/files.ts';
import { type RecordOf, readRecordIfGood, recordFormat } from '../base/read-record.ts';

const change = z.looseObject({
  file: z.string(),
  /** SHA-256 of the file; undefined for one that left. */
  sha256: z.string().exactOptional(),
  /** Who tagged or untagged its build; undefined where koji does not say, as for a package that was blocked. */
  by: z.string().exactOptional(),
  /** Event at which that happened. */
  event: z.int().exactOptional(),
});

/** A line of a tag's history. */
export const TAG_CHANGE = recordFormat({
  schema: z.looseObject({
    at: z.string(),
    tag: z.string(),
    event: z.int(),
    level: z.enum(['testing', 'release']),
    /** Fingerprint of the key that signed. */
    key: z.string(),
    pushed: z.boolean(),
    repositories: z.array(z.looseObject({ target: z.string(), folder: z.string(), repomd: z.string() })),
    added: z.array(change),
    removed: z.array(change),
  }),
  hint: 'One line of it is damaged and left out; nothing else is affected.',
});

/** One publication of a tag (C10): who, at which event, by which key, what, and where. */
export type TagChange = RecordOf<typeof TAG_CHANGE>;

const historyPath = (folder: string): string => join(folder, 'history.ndjson');

/** Adds a publication to a tag's history, one JSON object a line. */
export async function appendHistory(folder: string, entry: TagChange): Promise<void> {
  const path = historyPath(folder);
  await appendFile(path, `${JSON.stringify(TAG_CHANGE.encode(entry))}\n`);
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Returns the publications of a tag, oldest first, without lines that are damaged or were cut short (I15). */
export async function readHistory(folder: string): Promise<TagChange[]> {
  const text = (await readTextIfExists(historyPath(folder))) ?? '';
  return text.split('\n').flatMap((line) => (line === '' ? [] : (readRecordIfGood(line, TAG_CHANGE) ?? [])));
}
