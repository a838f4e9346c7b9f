import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { NightlyError } from '../base/errors.ts';
import { readTextIfExists, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { oneLine } from '../base/one-line.ts';
import { type RecordOf, readRecord, readRecordIfGood, recordFormat, recordText } from '../base/read-record.ts';

/** Why the last sync of a tag failed: its file is there until one succeeds. */
export const TAG_FAILURE = recordFormat({
  version: FORMATS['failure of a tag'],
  schema: z.looseObject({
    version: z.literal(FORMATS['failure of a tag'].newest),
    /** When the first of the syncs in a row failed, and when the last did; seconds since the epoch. */
    since: z.int().nonnegative(),
    at: z.int().nonnegative(),
    code: z.string(),
    why: z.string(),
  }),
  hint: 'Remove it: the next sync that fails writes another.',
});

export type TagFailure = RecordOf<typeof TAG_FAILURE>;

const failurePath = (folder: string): string => join(folder, 'failure.json');

/** Returns why a tag's last sync failed; undefined when it did not. @param folder the tag's @throws NightlyError `record` */
export async function readTagFailure(folder: string): Promise<TagFailure | undefined> {
  const path = failurePath(folder);
  const text = await readTextIfExists(path);
  return text === undefined ? undefined : readRecord(text, TAG_FAILURE, path);
}

/** Notes that a sync failed. @param now seconds since the epoch */
export async function noteTagFailure(folder: string, { code, message }: NightlyError, now: number): Promise<void> {
  const path = failurePath(folder);
  const before = readRecordIfGood((await readTextIfExists(path)) ?? '', TAG_FAILURE);
  const failure = { version: 1 as const, since: before?.since ?? now, at: now, code, why: oneLine(message) };
  await writeFileAtomic(path, recordText(failure, TAG_FAILURE));
}

/** Notes that a sync succeeded. */
export async function forgetTagFailure(folder: string): Promise<void> {
  await rm(failurePath(folder), { force: true });
}
