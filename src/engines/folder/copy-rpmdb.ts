import { lstatSync } from 'node:fs';
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Names of the files that an rpm database is in: its three formats. */
const DATABASES = ['rpmdb.sqlite', 'Packages.db', 'Packages'];

/**
 * Copies the files of an rpm database to a new folder.
 * @returns that folder; undefined when there is no database. Links are not followed, and no other files are copied.
 */
export async function copyRpmdb(from: string, to: string): Promise<string | undefined> {
  const names = await readdir(from).catch(() => []);
  if (!names.some((name) => DATABASES.includes(name))) return undefined;
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const name of names) {
    if (lstatSync(join(from, name)).isFile()) await copyFile(join(from, name), join(to, name));
  }
  return to;
}
