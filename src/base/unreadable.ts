import { NightlyError } from './errors.ts';
import { isErrno, NO_FILE } from './files.ts';

/** What reading says of something that is there and cannot be read: no file, a bad disk, another's, a loop of links. */
const CODES = [
  NO_FILE,
  'EISDIR',
  'ENOTDIR',
  'EIO',
  'EACCES',
  'EPERM',
  'ELOOP',
  'ENXIO',
  'EUCLEAN',
  'ESTALE',
  'EINVAL',
] as const;

/** Whether a caught value says that one file or folder cannot be read, and nothing about others. */
export function isUnreadable(error: unknown): boolean {
  return CODES.some((code) => isErrno(error, code));
}

/** What to report of a record that cannot be read. */
export function unreadable(path: string, cause: unknown): NightlyError {
  const why = isErrno(cause, 'EISDIR')
    ? 'it is a folder'
    : isErrno(cause, 'ENOTDIR')
      ? 'it is not a folder, or what it lies in is none'
      : isErrno(cause, NO_FILE) || isErrno(cause, 'ENXIO')
        ? 'it is a FIFO, a socket or a device'
        : `it cannot be read (${cause instanceof Error ? cause.message : String(cause)})`;
  return new NightlyError('record', `${path} is damaged: ${why}.`, {
    hint: 'Move it away, or restore it from a backup; nothing else is affected.',
    cause,
  });
}

/** Returns the system's own words for a failed call, without its code, its name and the path. */
export function systemReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /^E[A-Z0-9]+: ([^,]+), /.exec(message)?.[1] ?? message;
}
