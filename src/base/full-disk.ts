import { statfsSync } from 'node:fs';
import { type ErrorCode, NightlyError } from './errors.ts';

/** What to do about a full disk. */
export const FREE_SPACE_HINT = 'Free some space on that file system, then run "atomic-nightly resume".';

/** What programs say, among other words, where there is no space left, or none that this user may have. */
export const FULL_WORDS = /No space left on device|Disk quota exceeded/i;

/** Bytes below which what is left makes a file system a full one. */
const FULL_BYTES = 256 * 1024;

/** Returns those of some folders that are on a full file system. */
export function fullAmong(folders: readonly string[]): string[] {
  return folders.filter((folder) => {
    try {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize < FULL_BYTES;
    } catch {
      return false;
    }
  });
}

/** What a program, or whoever reads what it wrote, reports where it could not write, with other words for it. */
export const OTHER_WORDS: readonly ErrorCode[] = [
  ...(['tool-failed', 'repo-unreachable', 'compose', 'ostree', 'image', 'seed', 'verify'] as const),
  ...(['signing', 'record', 'bug', 'disk-full'] as const),
];

/**
 * Returns a failure with a full disk as its cause, if a disk is full: many programs do not know why they could not write, so that
 * what they report leads astray (dnf names all mirrors, rpm an index of its database).
 * @param near folders that were written to
 */
export function withFullDisk(error: NightlyError, near: readonly string[]): NightlyError {
  const { code, message, hint, log } = error;
  if (!OTHER_WORDS.includes(code) || /^The disk is full(?: at|:)|^Target "/.test(message)) return error;
  const full = fullAmong(near);
  if (full.length === 0) return error;
  return new NightlyError(
    'disk-full',
    `The disk is full at ${full.join(' and ')}: ${message.replace(/^The disk is full, so /, '')}`,
    {
      hint: code === 'disk-full' && hint ? hint : FREE_SPACE_HINT,
      ...{ log, cause: error },
    },
  );
}
