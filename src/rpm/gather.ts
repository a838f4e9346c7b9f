import { existsSync } from 'node:fs';
import { copyFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { digestLike, makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { fetchFile } from './download.ts';
import { rpmFileName } from './evr.ts';
import { type Lockfile, lockedEntries } from './lockfile.ts';
import type { RepoPackage } from './primary.ts';
import { cachedRpms } from './rpm-cache.ts';

/** A locked package whose RPM file is here. */
export interface GatheredRpm {
  readonly name: string;
  readonly evra: string;
  /** Absolute. */
  readonly path: string;
}

export interface MissingRpm {
  readonly name: string;
  readonly evra: string;
  /** Why, where there is more to say than that nobody has it. */
  readonly why?: string;
}

export interface GatherRequest {
  readonly lockfile: Lockfile;
  /** Will hold exactly the locked RPM files. Made when missing. */
  readonly store: string;
  /** The compose cache, in which earlier nights may have left RPM files. */
  readonly cache: string;
  /** What the repositories have now; asked for only when something is not here already. */
  readonly packages: () => Promise<readonly RepoPackage[]>;
}

/**
 * Brings every locked RPM file into one folder: those that are there stay, others come from the caches, the rest from the
 * repositories. What counts is the lockfile's checksum, wherever a file comes from.
 * @throws NightlyError what `packages` throws.
 */
export async function gatherRpms(
  request: GatherRequest,
  task: Task,
): Promise<{ readonly rpms: readonly GatheredRpm[]; readonly missing: readonly MissingRpm[] }> {
  const { lockfile, store, cache, packages } = request;
  await makeFolder(store);
  const wanted = lockedEntries(lockfile).map(({ name, evra, digest }) => {
    return { name, evra, digest, file: rpmFileName(name, evra), path: join(store, rpmFileName(name, evra)) };
  });
  await removeOthers(store, new Set(wanted.map(({ file }) => file)));
  const rest: typeof wanted = [];
  const cached = await cachedRpms(cache);
  for (const one of wanted) {
    const candidates = [one.path, ...(cached.get(one.file) ?? [])];
    if (!(await takeFirst(candidates, one.path, one.digest))) rest.push(one);
  }
  const missing: MissingRpm[] = [];
  const offered = rest.length === 0 ? [] : await packages();
  const limit = pLimit(6);
  let done = wanted.length - rest.length;
  await Promise.all(
    rest.map((one) =>
      limit(async () => {
        const why = await fetchOne(one, offered, task);
        if (why !== undefined) missing.push({ name: one.name, evra: one.evra, ...(why === '' ? {} : { why }) });
        done += 1;
        task.progress(done, wanted.length, 'packages');
      }),
    ),
  );
  const gone = new Set(missing.map(({ name, evra }) => `${name}-${evra}`));
  return {
    rpms: wanted
      .filter(({ name, evra }) => !gone.has(`${name}-${evra}`))
      .map(({ name, evra, path }) => ({ name, evra, path })),
    missing: missing.sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Whether a folder has a file for every locked package; contents are not read. */
export function holdsAll(store: string, lockfile: Lockfile): boolean {
  return lockedEntries(lockfile).every(({ name, evra }) => existsSync(join(store, rpmFileName(name, evra))));
}

async function removeOthers(store: string, wanted: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(store)) if (!wanted.has(name)) await rm(join(store, name), { recursive: true });
}

/** Copies the first file that has the digest, whole or not at all. A file without a digest to compare with is not taken. */
async function takeFirst(candidates: readonly string[], path: string, digest: string | undefined): Promise<boolean> {
  if (digest === undefined) return false;
  for (const candidate of candidates) {
    if (!existsSync(candidate) || (await digestLike(digest, candidate)) !== digest) continue;
    if (candidate !== path) {
      await copyFile(candidate, `${path}.part`);
      await rename(`${path}.part`, path);
    }
    return true;
  }
  return false;
}

/** Fetches a package. @returns why it is missing: empty when no repository has it. */
async function fetchOne(
  one: { readonly name: string; readonly evra: string; readonly digest: string | undefined; readonly path: string },
  offered: readonly RepoPackage[],
  task: Task,
): Promise<string | undefined> {
  const named = offered.filter(({ name, evra }) => name === one.name && evra === one.evra);
  const same = named.filter(({ digest }) => one.digest === undefined || digest === one.digest);
  if (same.length === 0) return named.length === 0 ? '' : 'is there, but with another checksum';
  let why = '';
  for (const { url, digest, connection } of same) {
    try {
      await fetchFile(url, `${one.path}.part`, task, connection);
      const expected = one.digest ?? digest;
      if (expected === undefined || (await digestLike(expected, `${one.path}.part`)) === expected) {
        await rename(`${one.path}.part`, one.path);
        return undefined;
      }
      why = `${url} has another checksum than its repository says`;
    } catch (error) {
      task.signal.throwIfAborted();
      why = `${url}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  await rm(`${one.path}.part`, { force: true });
  return why;
}
