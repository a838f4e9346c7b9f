import { constants, copyFileSync, linkSync, renameSync } from 'node:fs';
import { copyFile, link, rename, stat, utimes } from 'node:fs/promises';
import { isErrno } from './files.ts';

/** Another file system, one without hard links, a file that may not be linked, or one with too many links already. */
const NO_LINK = ['EXDEV', 'EPERM', 'ENOSYS', 'ENOTSUP', 'EMLINK'];

/** Whether a file cannot have a second name there, for what `link` threw. */
export function isNoLink(error: unknown): boolean {
  return NO_LINK.some((code) => isErrno(error, code));
}

/**
 * Gives a file a second name, or copies it where that cannot be: with its times, and whole from the first moment it is there.
 * @throws Error with a code of the system: `EEXIST` as a rule for a name that is taken.
 */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!isNoLink(error)) throw error;
    const aside = `${to}.part`;
    await copyFile(from, aside, constants.COPYFILE_FICLONE);
    const { atime, mtime } = await stat(from);
    await utimes(aside, atime, mtime);
    await rename(aside, to);
  }
}

/**
 * As `linkOrCopy`, at once and without the times: where thousands of small files are linked one after the other, a hop to
 * another thread for each takes ten times as long as the link.
 */
export function linkOrCopySync(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!isNoLink(error)) throw error;
    const aside = `${to}.part`;
    copyFileSync(from, aside, constants.COPYFILE_FICLONE);
    renameSync(aside, to);
  }
}
