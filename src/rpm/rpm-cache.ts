import { rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { filesBelow } from '../base/files.ts';
import { rpmFileName } from './evr.ts';
import type { Lockfile } from './lockfile.ts';

/** Where nights leave RPM files in the compose cache: what dnf downloaded, and links to what it read in place. */
const FOLDERS = ['metadata', 'rpms'] as const;

/** Returns the RPM files of a compose cache by file name; one name may stand for several files. Paths are absolute. */
export async function cachedRpms(cacheDir: string): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const folder of FOLDERS) {
    for (const path of await filesBelow(join(cacheDir, folder))) {
      const name = basename(path);
      if (name.endsWith('.rpm')) found.set(name, [...(found.get(name) ?? []), join(cacheDir, folder, path)]);
    }
  }
  return found;
}

/** Returns the RPM files of a compose cache that none of the lockfiles names; absolute. */
export async function unneededRpms(cacheDir: string, lockfiles: readonly Lockfile[]): Promise<string[]> {
  const wanted = new Set(
    lockfiles.flatMap(({ packages }) => Object.entries(packages).map(([name, { evra }]) => rpmFileName(name, evra))),
  );
  return [...(await cachedRpms(cacheDir))].flatMap(([name, paths]) => (wanted.has(name) ? [] : paths));
}

/** Removes RPM files of a compose cache. */
export async function removeRpms(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await rm(path, { force: true });
    // Links lie in a folder each; dnf's folder holds others and stays.
    await rmdir(dirname(path)).catch(() => undefined);
  }
}
