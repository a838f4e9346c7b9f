import { NightlyError } from '../base/errors.ts';
import { formatBytes } from '../base/format.ts';
import { MOST_READ_BYTES } from '../base/read-limit.ts';

/** What a target has where a record, or another small file that is read as a whole, should be and cannot be. */
export const MORE_THAN_READ = `more than ${formatBytes(MOST_READ_BYTES)} of data`;

/** Whether a file's content is what a swap expects; undefined on either side stands for an absent file. */
export function contentEquals(actual: Uint8Array | undefined, expected: Uint8Array | undefined): boolean {
  if (actual === undefined || expected === undefined) return actual === expected;
  return Buffer.from(actual).equals(expected);
}

/** Returns what reading throws where something else is in the place of a file, which nobody waits for (I7). */
export function noFileError({
  target,
  what,
  place,
  cause,
}: {
  readonly target: string;
  readonly what: string;
  readonly place: string;
  readonly cause?: unknown;
}): NightlyError {
  return new NightlyError('target-unreachable', `Target "${target}" has ${what} where a file should be: ${place}`, {
    hint: 'Find out who made it, and move it away; then "atomic-nightly resume", or "atomic-nightly publish --reconcile", puts the file there.',
    cause,
  });
}

/** Returns what a swap throws when somebody changed the target meanwhile. */
export function movedError(target: string, path: string): NightlyError {
  return new NightlyError(
    'target-moved',
    `Target "${target}" was changed by another publisher: ${path} is not what it was.`,
    {
      hint: 'Find out who else publishes there; a new "atomic-nightly nightly" follows what is published now.',
    },
  );
}
