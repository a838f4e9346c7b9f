import { open, readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type ErrorCode, NightlyError } from './errors.ts';
import { isErrno, makeFolder, syncFolder } from './files.ts';

/** What a file is for. */
export interface FilePurpose {
  /** What the file holds, as in `private key`. */
  readonly what: string;
  /** Code of the error when the file cannot be used. */
  readonly code: ErrorCode;
  /** What to do when it is not there. */
  readonly missing: string;
  /** What to do when others may have read it. */
  readonly exposed: string;
}

/**
 * Reads a file that only its owner may read.
 * @throws NightlyError of the purpose's code when it is not there, may not be read, or others can read it.
 */
export async function readSecretFile(path: string, purpose: FilePurpose): Promise<Buffer> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new NightlyError(purpose.code, `The ${purpose.what} ${path} can be read by others (mode ${octal}).`, {
        hint: `Run "chmod 600 ${path}"; if others may have read it, ${purpose.exposed}.`,
      });
    }
    return await readFile(path);
  } catch (error) {
    throw unreadable(error, path, purpose);
  }
}

/**
 * Returns the text of such a file, without the newline that editors put at its end and nobody means. @throws as
 * `readSecretFile`.
 */
export async function readSecretText(path: string, purpose: FilePurpose): Promise<string> {
  return (await readSecretFile(path, purpose)).toString('utf8').replace(/\r?\n$/, '');
}

/**
 * Makes a file that only its owner may read, safe on disk, and the folders above it that are missing.
 * @returns false where something has that name already; it stays as it is
 */
export async function makeSecretFile(path: string, content: string): Promise<boolean> {
  const folder = dirname(resolve(path));
  await makeFolder(folder);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
  await syncFolder(folder);
  return true;
}

/** Reads a file that others may read as well. @throws NightlyError of the purpose's code. */
export async function readPublicFile(path: string, purpose: Omit<FilePurpose, 'exposed'>): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(error, path, purpose);
  }
}

function unreadable(error: unknown, path: string, { what, code, missing }: Omit<FilePurpose, 'exposed'>): unknown {
  if (isErrno(error, 'ENOENT')) {
    return new NightlyError(code, `The ${what} ${path} is not there.`, { hint: missing });
  }
  if (isErrno(error, 'EACCES') || isErrno(error, 'EISDIR')) {
    return new NightlyError(code, `The ${what} ${path} cannot be read: ${String(error)}.`, {
      hint: 'It must be a file owned by the user who runs this.',
    });
  }
  return error;
}
