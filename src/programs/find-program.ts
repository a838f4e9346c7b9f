import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Returns the path of a program on PATH, or undefined; a name with a slash is that path. */
export async function findProgram(name: string): Promise<string | undefined> {
  const folders = name.includes('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter);
  for (const folder of folders) {
    const path = folder === '' ? name : join(folder, name);
    if (await mayAccess(path, constants.X_OK)) return path;
  }
  return undefined;
}

/** Whether this user may access a file in that way: `constants.R_OK`, `constants.X_OK`. */
export async function mayAccess(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
