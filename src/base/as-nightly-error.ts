import { RefusedConnection } from './connection-faults.ts';
import { NightlyError } from './errors.ts';
import { FILE_SIZE_HINT } from './file-size-limit.ts';
import { FREE_SPACE_HINT, fullAmong } from './full-disk.ts';
import { isUnreadable } from './unreadable.ts';

/** What to do about a file system that takes nothing, whatever rights one has. */
export const READ_ONLY_HINT =
  'Mount that file system so that it can be written to; the kernel makes it read-only when its disk has errors ("dmesg").';

/**
 * Returns what was thrown, as the one error class; system errors keep their meaning, anything else is a bug of ours.
 * @param near folders that were written to: a full disk is told by them where the system names no file
 */
export function asNightlyError(caught: unknown, near: readonly string[] = []): NightlyError {
  if (caught instanceof NightlyError) return caught;
  const message = caught instanceof Error ? caught.message : String(caught);
  if (caught instanceof RefusedConnection) {
    return new NightlyError('target-unreachable', `No connection can be made: ${message}.`, {
      hint: 'Check the certificates, the ca-file and the proxy that the configuration names for that server.',
      cause: caught,
    });
  }
  if (/ENOSPC|EDQUOT/.test(message)) {
    return new NightlyError('disk-full', `The disk is full${whichDisk(message, near)}: ${message}.`, {
      hint: FREE_SPACE_HINT,
      cause: caught,
    });
  }
  if (/^(EMFILE|ENFILE)\b/.test(message)) {
    return new NightlyError('usage', `Too many files are open at once: ${message}.`, {
      hint: 'Raise the limit: "ulimit -n 1024" in a shell, LimitNOFILE= in a unit; fs.file-max for the whole machine.',
      cause: caught,
    });
  }
  if (/^EFBIG\b/.test(message)) {
    return new NightlyError('usage', `A file would have become larger than is allowed: ${message}.`, {
      hint: FILE_SIZE_HINT,
      cause: caught,
    });
  }
  if (/^EROFS\b/.test(message)) {
    return new NightlyError('permission', `Nothing can be written there: ${message}.`, {
      hint: `${READ_ONLY_HINT} Then run "atomic-nightly resume".`,
      cause: caught,
    });
  }
  if (/^(EACCES|EPERM)\b/.test(message)) {
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

/** The system names a file where it opens or copies one, and none where it writes into one that is open. */
function whichDisk(message: string, near: readonly string[]): string {
  if (message.includes("'")) return '';
  const full = fullAmong(near);
  return full.length === 0 ? '' : ` at ${full.join(' and ')}`;
}
