import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The top folder of this repository. */
export const REPOSITORY = new URL('../..', import.meta.url).pathname;

/** Files below these folders of the repository (not hidden ones), by path from its top, sorted. */
export async function repositoryFiles(folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const entries = await readdir(join(REPOSITORY, folder), { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
        .map((entry) => join(entry.parentPath, entry.name).slice(REPOSITORY.length));
    }),
  );
  return found.flat().sort();
}

/** Reads a text file of the repository. */
export async function repositoryText(path: string): Promise<string> {
  return await readFile(join(REPOSITORY, path), 'utf8');
}
