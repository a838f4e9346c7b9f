import { chmod, chown, copyFile, mkdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';

/** Changes to a tree whose files are hard links to another's: files are replaced, never written into. */

/** Writes a file, and the folders above it. @param mode permission bits */
export async function replaceFile(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await writeFile(path, content);
  await chmod(path, mode);
}

/** Makes a symbolic link in place of whatever is there, and the folders above it. */
export async function replaceByLink(path: string, target: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await symlink(target, path);
}

/**
 * Adds to the end of a file that keeps its owner and mode.
 * @param name how people know the file, for messages
 * @throws NightlyError `image` when there is no such file
 */
export async function addToFile(path: string, content: string | Uint8Array, name: string): Promise<void> {
  const aside = `${path}.own`;
  try {
    const { uid, gid, mode } = await stat(path);
    await copyFile(path, aside);
    await writeFile(aside, content, { flag: 'a' });
    await chown(aside, uid, gid);
    await chmod(aside, mode);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new NightlyError('image', `The tree has no ${name} to add to.`, {
      hint: 'Leave out "append" in image.yaml to replace the file, or add the package that contains it to the treefile.',
      cause: error,
    });
  }
  await rename(aside, path);
}
