import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import { copyInTree, kindOf, namesIn } from '../../base/tree-files.ts';

/** Names of the files that an rpm database is in: its three formats. */
const DATABASES = ['rpmdb.sqlite', 'Packages.db', 'Packages'];

/**
 * Copies the files of an rpm database to a new folder.
 * @returns that folder; undefined when there is no database. Links are not followed, and no other files are copied.
 */
export async function copyRpmdb(from: string, to: string): Promise<string | undefined> {
  const names = await namesIn(from).catch(() => []);
  if (!names.some((name) => DATABASES.includes(name))) return undefined;
  await rm(to, { recursive: true, force: true });
  await makeFolder(to);
  for (const name of names) {
    if ((await kindOf(join(from, name))) === 'file') await copyInTree(join(from, name), join(to, name));
  }
  return to;
}
