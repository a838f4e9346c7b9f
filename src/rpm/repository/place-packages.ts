import { rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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
  const files = new Map<string, FileStamp>();
  const due: PackageFile[] = [];
  await inParallel(packages, { atATime: PARALLEL, signal: task.signal }, async (one) => {
    const before = await stampOf(join(folder, one.path), known.get(one.path));
    if (before?.[0] === one.sha256) files.set(one.path, before);
    else due.push(one);
  });
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
  const wanted = new Set(packages.map(({ path }) => path));
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
  const files = new Map<string, FileStamp>();
  await inParallel(await packagesIn(folder), { atATime: PARALLEL, signal: task.signal }, async (path) => {
    const stamp = await stampOf(join(folder, path), known.get(path));
    if (stamp) files.set(path, stamp);
  });
  return files;
}

/** Returns the paths of a repository's RPM files, relative to it. */
export async function packagesIn(folder: string): Promise<string[]> {
  return (await filesBelow(folder)).filter((path) => path.endsWith('.rpm'));
}

/** Reads a file only if it is another one than it was. */
async function stampOf(path: string, known: FileStamp | undefined): Promise<FileStamp | undefined> {
  const found = await ifThere(stat(path));
  if (!found) return undefined;
  const [sha256, ...rest] = known ?? [''];
  const { size, mtimeMs, ino } = found;
  if (known && rest[0] === size && rest[1] === mtimeMs && rest[2] === ino) return [sha256, size, mtimeMs, ino];
  return [await sha256File(path), size, mtimeMs, ino];
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
