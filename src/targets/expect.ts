import { NightlyError } from '../base/errors.ts';

/** Whether a file's content is what a swap expects; undefined on either side stands for an absent file. */
export function contentEquals(actual: Uint8Array | undefined, expected: Uint8Array | undefined): boolean {
  if (actual === undefined || expected === undefined) return actual === expected;
  return Buffer.from(actual).equals(expected);
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
