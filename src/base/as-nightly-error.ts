import { NightlyError } from './errors.ts';
import { isUnreadable } from './unreadable.ts';

/**
 * Returns what was thrown, as the one error class; system errors keep their meaning, anything else is a bug of ours.
 */
export function asNightlyError(caught: unknown): NightlyError {
  if (caught instanceof NightlyError) return caught;
  const message = caught instanceof Error ? caught.message : String(caught);
  if (/ENOSPC|EDQUOT/.test(message)) {
    return new NightlyError('disk-full', `The disk is full: ${message}.`, {
      hint: 'Free some space on that file system, then run "atomic-nightly resume".',
      cause: caught,
    });
  }
  if (/^(EACCES|EPERM|EROFS)\b/.test(message)) {
    return new NightlyError('permission', `No permission: ${message}.`, {
      hint: 'Give the user that runs this access to the path named above, then run "atomic-nightly resume".',
      cause: caught,
    });
  }
  if (isUnreadable(caught)) {
    return new NightlyError('record', `A file to be read or written is not of the expected kind: ${message}.`, {
      hint: 'Look at the path named above: it is a folder instead of a file, the reverse, or on a damaged disk.',
      cause: caught,
    });
  }
  return new NightlyError('bug', caught instanceof Error ? (caught.stack ?? message) : message, {
    hint: 'This is a fault in atomic-nightly itself; please report it with the lines above.',
    cause: caught,
  });
}
