import { readFileSync } from 'node:fs';
import { NightlyError } from './errors.ts';
import { formatBytes } from './format.ts';
import { OTHER_WORDS } from './full-disk.ts';

/** What to do about a file that may not grow. */
export const FILE_SIZE_HINT =
  'Raise the limit: "ulimit -f unlimited" in a shell, LimitFSIZE= in a unit; a FAT file system takes no file of 4 GiB.';

/** What the system, a program or a shell says of a file that may not grow. */
const SAID = /\bEFBIG\b|\bSIGXFSZ\b|File too large|File size limit exceeded/i;

/** Returns how large a file may become that this process and its programs write (`ulimit -f`), in bytes; undefined: no limit. */
function fileSizeLimit(): number | undefined {
  try {
    const limit = /^Max file size\s+(\d+)\s/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}

/**
 * Returns a failure with a limit on the size of files as its cause, where there is one: rpm takes what it could not write for files that
 * are not there, and its database for a damaged one.
 */
export function withFileSizeLimit(error: NightlyError): NightlyError {
  const { code, message, log } = error;
  if (!OTHER_WORDS.includes(code) || code === 'disk-full') return error;
  const limit = fileSizeLimit();
  const said = SAID.test(message);
  if (!said && limit === undefined) return error;
  const most = limit === undefined ? 'its file system takes' : `the ${formatBytes(limit)} that are allowed (ulimit -f)`;
  const cause = said
    ? `A file would have become larger than ${most}`
    : `Files may not become larger than ${formatBytes(limit ?? 0)} here (ulimit -f), which can be the cause`;
  return new NightlyError('usage', `${cause}: ${message}`, { hint: FILE_SIZE_HINT, log, cause: error });
}
