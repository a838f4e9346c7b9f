import { constants } from 'node:fs';
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isErrno } from '../../base/files.ts';
import { within } from '../../base/within.ts';

/** Names that nobody is shown: what begins with a dot (locks and unfinished files of ours among them), locks, and files being written. */
const HIDDEN = /^\.|\.(lock|tmp)$/;

/** Where ostree keeps what it has not yet taken in, below the root of a target. */
const OSTREE_TMP = /^repo\/(tmp|state)(\/|$)/;

/**
 * Returns the path below a target's root that a request asks for, with its escapes resolved.
 * @param pathname of the URL, after the target's own path; begins with a slash
 * @returns undefined for what names no file that is published: `..` in any spelling, hidden names, NUL, a malformed escape
 */
export function requestedPath(pathname: string): string | undefined {
  try {
    const parts = pathname.slice(1).split('/').map(decodeURIComponent);
    return isShown(parts) ? parts.join('/') : undefined;
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function isShown(parts: readonly string[]): boolean {
  const isName = (part: string, index: number) =>
    (part !== '' || index === parts.length - 1) && !HIDDEN.test(part) && !/[/\0]/.test(part);
  return parts.every(isName) && !OSTREE_TMP.test(parts.join('/'));
}

/**
 * Opens a file or folder below a root, wherever links lead as long as that is below the root, too, and is not hidden. What was
 * opened is asked where it is, so that no link can be changed in between; a pipe in its place keeps nobody waiting.
 * @param path from `requestedPath`
 * @returns undefined when there is no such file; its caller closes it
 * @throws the system's error: `EACCES`, `EMFILE`
 */
export async function openPublished(root: string, path: string): Promise<FileHandle | undefined> {
  let file: FileHandle | undefined;
  try {
    const top = await realpath(root);
    file = await open(join(top, path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const at = await readlink(`/proc/self/fd/${file.fd}`);
    if (within(at, top) && isShown(relative(top, at).split('/'))) return file;
    await file.close();
    return undefined;
  } catch (error) {
    await file?.close();
    if (ABSENT.some((code) => isErrno(error, code))) return undefined;
    throw error;
  }
}

/** A dangling link, a file in place of a folder, a name that is too long, a circle of links, a socket. */
const ABSENT = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'ENXIO'];
