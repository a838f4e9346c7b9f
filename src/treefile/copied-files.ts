import { join, relative, sep } from 'node:path';
import { filesBelow } from '../base/files.ts';
import { commonFolder } from './copy.ts';
import { readTreefile } from './read.ts';

/** The files of a treefile's copy (`copyTreefile`), by names that mean the same on any machine. */
export interface CopiedFiles {
  readonly digest: string;
  /** Sorted by path, which is relative to the innermost folder that has them all. */
  readonly files: readonly { readonly path: string; readonly file: string }[];
  /** Files that the treefile names by absolute paths: they are where they were, and nobody elsewhere has them. */
  readonly elsewhere: readonly string[];
}

/**
 * Lists the files that a copy of a treefile is made of.
 * @param top path of the top treefile in the copy, relative to the folder
 * @throws NightlyError `treefile` when it does not read.
 */
export async function copiedFiles(folder: string, top: string, basearch: string): Promise<CopiedFiles> {
  const { digest, files } = await readTreefile(join(folder, top), { basearch });
  const isCopy = (path: string): boolean => path.startsWith(`${folder}${sep}`);
  const elsewhere = files.filter((path) => !isCopy(path));
  // A copy of what is named absolutely is in the folder too, by its path on this host; nothing reads it.
  const own =
    elsewhere.length > 0 ? files.filter(isCopy) : (await filesBelow(folder)).map((path) => join(folder, path));
  const base = commonFolder(own);
  const named = own.map((file) => ({ path: relative(base, file).replaceAll(sep, '/'), file }));
  return { digest, files: named.sort((a, b) => (a.path < b.path ? -1 : 1)), elsewhere };
}
