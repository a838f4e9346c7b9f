import { rm } from 'node:fs/promises';
import type { z } from 'zod';
import { isErrno, readRegular } from './files.ts';
import { readRecordIfGood, recordFormat } from './read-record.ts';
import type { Inside } from './record-keys.ts';
import { isUnreadable } from './unreadable.ts';

/**
 * Reads what an earlier run remembered only to save work. One that is damaged is as good as none: it is removed, so that it
 * can be written anew, and the work is done once more (I15).
 */
export async function readCacheRecord<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<Inside<z.output<Schema>> | undefined> {
  try {
    const value = readRecordIfGood(await readRegular(path), recordFormat({ schema, hint: '' }));
    if (value === undefined) await rm(path, { force: true });
    return value;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (!isUnreadable(error)) throw error;
    await rm(path, { recursive: true, force: true });
    return undefined;
  }
}
