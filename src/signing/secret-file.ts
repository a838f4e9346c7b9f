import { readFile, stat } from 'node:fs/promises';
import { NightlyError } from '../errors.ts';
import { isErrno } from '../tools/files.ts';

/**
 * Reads a file that only its owner may read.
 * @param what for messages, as in `private key`
 * @throws NightlyError `signing` when it is not there, may not be read, or others can read it.
 */
export async function readSecretFile(path: string, what: string): Promise<Buffer> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new NightlyError('signing', `The ${what} ${path} can be read by others (mode ${octal}).`, {
        hint: `Run "chmod 600 ${path}"; if others may have read it, make a new key: docs/signing.md.`,
      });
    }
    return await readFile(path);
  } catch (error) {
    throw unreadable(error, path, what);
  }
}

/** Reads a public key file. @throws NightlyError `signing`. */
export async function readPublicFile(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(error, path, what);
  }
}

function unreadable(error: unknown, path: string, what: string): unknown {
  if (isErrno(error, 'ENOENT')) {
    return new NightlyError('signing', `The ${what} ${path} is not there.`, {
      hint: 'Correct its path under "signing" in the configuration, or put the file there.',
    });
  }
  if (isErrno(error, 'EACCES') || isErrno(error, 'EISDIR')) {
    return new NightlyError('signing', `The ${what} ${path} cannot be read: ${String(error)}.`, {
      hint: 'It must be a file that the user who runs this owns.',
    });
  }
  return error;
}
