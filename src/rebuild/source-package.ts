import { copyFile, readdir, rename, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { ifThere, makeFolder, sha256, sha256File } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { fetchFile } from '../rpm/download.ts';
import { readRpmTags } from '../rpm/header-tags.ts';
import { readPackageIdentity } from '../rpm/package-identity.ts';

/** A source package that is here. */
export interface SourcePackage {
  /** Absolute: its copy in `work/rebuild/sources`. */
  readonly path: string;
  /** `name-[epoch:]version-release.src` */
  readonly nevra: string;
  readonly sha256: string;
  readonly size: number;
  /** Capabilities that its build requires, without versions; rpmbuild itself checks these. */
  readonly requires: readonly string[];
  /** Seconds since 1970 of its newest change, or of when it was made: what clocks say during the build. */
  readonly epoch: number;
}

/**
 * Brings source packages here: files, URLs, and all `*.src.rpm` of folders, each once.
 * @param folder `work/rebuild`
 * @throws NightlyError `usage` for what is no source package, `repo-unreachable` for a URL that gives none.
 */
export async function gatherSources(folder: string, places: readonly string[], task: Task): Promise<SourcePackage[]> {
  const sources = join(folder, 'sources');
  await makeFolder(sources);
  const found = new Map<string, SourcePackage>();
  for (const place of places) {
    for (const path of await filesAt(place, sources, task)) {
      const source = await readSource(path, sources);
      found.set(source.sha256, source);
    }
  }
  return [...found.values()];
}

/**
 * Returns a source package that was brought here before. @param folder `work/rebuild`
 * @throws NightlyError `usage` when it is not here any more; one that was changed meanwhile has another digest
 */
export function keptSource(folder: string, digest: string): Promise<SourcePackage> {
  return readSource(join(folder, 'sources', `${digest}.src.rpm`), join(folder, 'sources'));
}

async function filesAt(place: string, sources: string, task: Task): Promise<string[]> {
  if (/^https?:\/\//.test(place)) {
    const path = join(sources, `${sha256(place)}.part`);
    try {
      await fetchFile(place, path, task);
    } catch (error) {
      task.signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      throw new NightlyError('repo-unreachable', `${place} cannot be fetched: ${why}.`, { cause: error });
    }
    return [path];
  }
  const status = await ifThere(stat(place));
  if (!status?.isDirectory()) return [place];
  const names = (await readdir(place)).filter((name) => name.endsWith('.src.rpm')).sort();
  if (names.length === 0) throw new NightlyError('usage', `${place} has no *.src.rpm.`);
  return names.map((name) => join(resolve(place), name));
}

async function readSource(path: string, sources: string): Promise<SourcePackage> {
  if ((await ifThere(stat(path))) === undefined) throw new NightlyError('usage', `There is no file ${path}.`);
  const digest = await sha256File(path);
  const copy = join(sources, `${digest}.src.rpm`);
  await copyFile(path, `${copy}.part`);
  await rename(`${copy}.part`, copy);
  const { arch, nevra, size } = await readPackageIdentity(copy);
  if (arch !== 'src') {
    throw new NightlyError('usage', `${path} is not a source package.`, { hint: 'Name files that end in .src.rpm.' });
  }
  const tags = await readRpmTags(copy);
  const requires = tags.texts('requireName').filter((name) => !/^(rpmlib|config)\(|^\(/.test(name));
  const [changed] = tags.numbers('changelogTime');
  const [built = 1] = tags.numbers('buildTime');
  return { path: copy, nevra, sha256: digest, size, requires, epoch: changed ?? built };
}
