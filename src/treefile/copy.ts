import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import { type RepoDefinition, withoutCredentials } from '../rpm/repofile.ts';
import { readTreefile } from './read.ts';
import type { Treefile } from './treefile.ts';

/**
 * Copies a treefile with every file it depends on, and the keys its repositories name in files, so that it can be read
 * as it is now when the original has changed. Files keep their places relative to each other. Users and passwords in .repo
 * files are left out (I11): see readRepoFiles.
 * @param folder made anew
 * @returns path of the top treefile in the copy, relative to the folder
 * What the treefile names by absolute paths stays where it is; the digest shows when that changes.
 * @throws NightlyError `treefile` when the copy does not read as the original did.
 */
export async function copyTreefile(
  treefile: Treefile,
  repos: readonly RepoDefinition[],
  folder: string,
): Promise<string> {
  const keys = repos.flatMap(({ gpgkey }) =>
    gpgkey.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url)),
  );
  const base = commonFolder(treefile.files);
  await rm(folder, { recursive: true, force: true });
  for (const path of [...treefile.files, ...keys.filter((key) => key.startsWith(`${base}${sep}`))]) {
    const copy = join(folder, relative(base, path));
    await makeFolder(dirname(copy));
    if (treefile.repoFiles.includes(path)) await copyRepoFile(path, copy);
    else
      await copyFile(path, copy).catch((error: unknown) => {
        // A key that is not there is said when it is needed.
        if (!keys.includes(path)) throw error;
      });
  }
  const top = relative(base, treefile.path);
  const { basearch = '' } = treefile.values;
  const copied = await readTreefile(join(folder, top), { basearch });
  if (copied.digest === treefile.digest) return top;
  throw new NightlyError('treefile', `A copy of ${treefile.path} does not read as the treefile itself does.`, {
    hint: 'If it was changed a moment ago, run again.',
    place: { file: treefile.path },
  });
}

async function copyRepoFile(path: string, copy: string): Promise<void> {
  // Whatever bytes it has: it must read as the original does.
  await writeFile(copy, withoutCredentials(await readFile(path, 'latin1')), 'latin1');
}

/** Returns the innermost folder that holds all the files. */
export function commonFolder(files: readonly string[]): string {
  const [first = [], ...others] = files.map((file) => dirname(file).split(sep));
  let parts = first;
  for (const other of others) {
    const end = parts.findIndex((part, index) => part !== other[index]);
    if (end >= 0) parts = parts.slice(0, end);
  }
  return parts.join(sep) || sep;
}
