import { statSync } from 'node:fs';
import { rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NightlyError } from '../../base/errors.ts';
import { filesBelow, ifThere, makeFolder, sha256File } from '../../base/files.ts';
import { linkOrCopy } from '../../base/link-or-copy.ts';
import { inParallel } from '../../base/parallel.ts';
import type { Task } from '../../base/task.ts';
import type { FileStamp } from './repository-memory.ts';

/** A package that a repository is to have. */
export interface PackageFile {
  /** Relative to the repository. */
  readonly path: string;
  /** Absolute; whoever changes it makes a new file, as all that is here do. */
  readonly file: string;
  readonly sha256: string;
}

/** What is in a repository now. */
export interface PlacedPackages {
  readonly files: ReadonlyMap<string, FileStamp>;
  readonly added: number;
  readonly removed: number;
}

const PARALLEL = 16;

/**
 * Makes the RPM files below a folder equal to a list: hard links, or copies where the file system has none. What is there
 * already and has the right digest stays; other packages are removed.
 * @param known what was read of the files before
 * @throws NightlyError `package-missing`, naming each file that is not there; nothing was changed then.
 */
export async function placePackages(
  folder: string,
  packages: readonly PackageFile[],
  known: ReadonlyMap<string, FileStamp>,
  task: Task,
): Promise<PlacedPackages> {
  const wanted = new Set(packages.map(({ path }) => path));
  const files = await stampsOf(folder, wanted, known, task);
  const due = packages.filter(({ path, sha256 }) => files.get(path)?.[0] !== sha256);
  await requireAll(due, task);
  const aside = join(folder, '.packages-new');
  await rm(aside, { recursive: true, force: true });
  await makeFolder(aside);
  await inParallel(due.entries(), { atATime: PARALLEL, signal: task.signal }, async ([index, one]) => {
    const path = join(folder, one.path);
    await linkOrCopy(one.file, join(aside, String(index)));
    await makeFolder(dirname(path));
    await rename(join(aside, String(index)), path);
    const { size, mtimeMs, ino } = await stat(path);
    files.set(one.path, [one.sha256, size, mtimeMs, ino]);
  });
  await rm(aside, { recursive: true });
  const others = (await packagesIn(folder)).filter((path) => !wanted.has(path));
  for (const path of others) {
    await rm(join(folder, path), { force: true });
    // The folder of a letter that has no more packages.
    if (dirname(path) !== '.') await rmdir(dirname(join(folder, path))).catch(() => undefined);
  }
  return { files, added: due.length, removed: others.length };
}

/** Returns the digests of the RPM files below a folder, whoever put them there. @param known what was read of them before */
export async function stampPackages(
  folder: string,
  known: ReadonlyMap<string, FileStamp>,
  task: Task,
): Promise<Map<string, FileStamp>> {
  return stampsOf(folder, await packagesIn(folder), known, task);
}

/** Returns the paths of a repository's RPM files, relative to it. */
export async function packagesIn(folder: string): Promise<string[]> {
  return (await filesBelow(folder)).filter((path) => path.endsWith('.rpm'));
}

/** Returns the digests of those files that are there. One is read only if it is another than it was. */
async function stampsOf(
  folder: string,
  paths: Iterable<string>,
  known: ReadonlyMap<string, FileStamp>,
  task: Task,
): Promise<Map<string, FileStamp>> {
  const files = new Map<string, FileStamp>();
  const unknown: string[] = [];
  let looked = 0;
  for (const path of paths) {
    // Of ten thousand packages nearly all are what they were: a hop to another thread for each takes four times as long as the look.
    const found = statSync(join(folder, path), { throwIfNoEntry: false });
    const stamp = known.get(path);
    if (found && stamp && stamp[1] === found.size && stamp[2] === found.mtimeMs && stamp[3] === found.ino) {
      files.set(path, stamp);
    } else if (found) unknown.push(path);
    looked += 1;
    if (looked % 500 === 0) await nextTurn(undefined, { signal: task.signal });
  }
  await inParallel(unknown, { atATime: PARALLEL, signal: task.signal }, async (path) => {
    const file = join(folder, path);
    const { size, mtimeMs, ino } = await stat(file);
    files.set(path, [await sha256File(file), size, mtimeMs, ino]);
  });
  return files;
}

async function requireAll(packages: readonly PackageFile[], task: Task): Promise<void> {
  const missing: string[] = [];
  await inParallel(packages, { atATime: PARALLEL, signal: task.signal }, async ({ path, file }) => {
    if (!(await ifThere(stat(file)))) missing.push(`  ${path} (${file})`);
  });
  if (missing.length === 0) return;
  throw new NightlyError('package-missing', `Packages of a repository are not there:\n${missing.sort().join('\n')}`, {
    hint: 'Nothing was changed. They have to be fetched again.',
  });
}
