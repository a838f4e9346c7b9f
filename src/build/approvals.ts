import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { readTextIfExists, writeJson } from '../base/files.ts';
import type { Approval } from './build-record.ts';

/**
 * Approvals of a promotion that was not released yet: `approvals.json` beside its record, `{"approvals": [{by, at, note}]}`.
 * The record itself is public by then, and signed; it gets them when it is published again, with the release (I14).
 */
const schema = z.strictObject({
  approvals: z.array(z.strictObject({ by: z.string(), at: z.iso.datetime(), note: z.string().exactOptional() })),
});

/** Undefined when there are none beside the record. @throws NightlyError `unsupported` when the file is damaged. */
export async function readApprovals(file: string): Promise<readonly Approval[] | undefined> {
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text)).approvals;
  } catch (error) {
    throw new NightlyError('unsupported', `${file} does not hold approvals as atomic-nightly writes them.`, {
      hint: 'Remove it, and have the promotion approved again.',
      place: { file },
      cause: error,
    });
  }
}

/**
 * The same where only looking is wanted: damaged ones count as none, so that every other build can be read. Who approves or
 * releases is told.
 */
export function approvalsOrNone(file: string): Promise<readonly Approval[] | undefined> {
  return readApprovals(file).catch(() => undefined);
}

/** Keeps all approvals of a promotion. */
export async function writeApprovals(file: string, approvals: readonly Approval[]): Promise<void> {
  await writeJson(file, { approvals });
}
