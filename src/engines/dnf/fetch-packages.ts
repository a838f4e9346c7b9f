import { existsSync, Stats } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { readCacheRecord } from '../../base/cache-record.ts';
import { NightlyError } from '../../base/errors.ts';
import { digestLike, isErrno, makeFolder, writeJson } from '../../base/files.ts';
import { linkOrCopy } from '../../base/link-or-copy.ts';
import type { Task } from '../../base/task.ts';
import { rpmFileName } from '../../rpm/evr.ts';
import { type Lockfile, lockedEntries } from '../../rpm/lockfile.ts';
import { checkHeaders } from '../../rpm/rpm-headers.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import type { Phases } from '../phases.ts';
import { callHelper } from './dnf-helper.ts';
import {
  type Advisory,
  advisory,
  type DescribedPackage,
  describedPackages,
  dnfError,
  dnfRequest,
} from './dnf-request.ts';

/**
 * Files that were found right, by path: device, inode, size, mtime and ctime in nanoseconds, the checksum, and the package.
 * A file cannot change without its ctime changing, so such a file need not be read again.
 */
const knownFiles = z.record(z.string(), z.string());

/**
 * Brings every locked package's RPM file here, from the cache of earlier nights where it has it, and checks each against
 * the lockfile: its digest, and the name and version in its header. The cache keeps them all, for promotions of the night.
 * @returns the packages, and the security advisories the repositories have for them.
 * @throws NightlyError `package-missing`, `repo-unreachable` also for a file that a repository of this machine lacks, `verify` on a wrong digest or another package, `disk-full`.
 */
export async function fetchPackages(
  treefile: Treefile,
  lockfile: Lockfile,
  cacheDir: string,
  task: Task,
  phases: Phases,
): Promise<{ readonly packages: readonly DescribedPackage[]; readonly advisories: readonly Advisory[] }> {
  const { packages, advisories } = await callHelper(
    {
      verb: 'download',
      request: {
        ...(await dnfRequest(treefile, { cacheDir, lockfile, refresh: false })),
        advisories: treefile.values['advisories-metadata'] !== 'disabled',
      },
      result: describedPackages.extend({ advisories: z.array(advisory) }),
      fail: (error) => dnfError(error, treefile, true),
      home: join(cacheDir, 'home'),
    },
    task,
  );
  await requireFiles(packages);
  await phases.time('digests', 'self', () => checkFiles(packages, lockfile, cacheDir, task));
  return { packages, advisories };
}

/** dnf takes the files of a `file://` repository to be there: one that is being synchronised may lack some, or have other things. */
async function requireFiles(packages: readonly DescribedPackage[]): Promise<void> {
  const bad: string[] = [];
  for (const { name, evra, path } of packages) {
    const found = await stat(path).catch((error: unknown) => error);
    if (found instanceof Stats && found.isFile()) continue;
    const why = found instanceof Stats ? 'is no file' : isErrno(found, 'ENOENT') ? 'is not there' : String(found);
    bad.push(`  ${name}-${evra}: ${path} ${why}`);
  }
  if (bad.length === 0) return;
  throw new NightlyError('repo-unreachable', `RPM files that the repositories list are missing:\n${bad.join('\n')}`, {
    hint: 'Bring the repository up to date, its packages before its metadata, or run createrepo_c on it; then resume the build.',
  });
}

async function checkFiles(
  packages: readonly DescribedPackage[],
  lockfile: Lockfile,
  cacheDir: string,
  task: Task,
): Promise<void> {
  const knownPath = join(cacheDir, 'checked-files.json');
  const known = await readKnown(knownPath);
  const found: Record<string, string> = {};
  const digests = new Map(lockedEntries(lockfile).map(({ name, evra, digest }) => [`${name}-${evra}`, digest]));
  const wrong: string[] = [];
  const unknown: DescribedPackage[] = [];
  for (const one of packages) {
    const { name, evra, path } = one;
    const expected = digests.get(`${name}-${evra}`) ?? one.digest;
    // First, for a link changes the time by which the file is known again.
    const kept = await keep(one, expected, cacheDir);
    const entry = `${await identityOf(path)} ${expected} ${name}-${evra}`;
    if (known[path] !== entry) {
      const digest = await digestLike(expected, path);
      if (digest !== expected) {
        wrong.push(`  ${name}-${evra}: ${path} has ${digest}, the lockfile says ${expected}`);
        if (kept !== path) await rm(kept);
        continue;
      }
      unknown.push(one);
    }
    found[path] = entry;
  }
  if (wrong.length > 0) {
    throw new NightlyError('verify', `RPM files differ from what the lockfile names:\n${wrong.join('\n')}`, {
      hint: 'A file was damaged or exchanged after the repository metadata was made: repair the repository, or remove the file from the cache.',
    });
  }
  await checkHeaders(unknown, join(cacheDir, 'home'), task);
  await writeJson(knownPath, found);
}

/**
 * Sees to it that the cache has an RPM file. dnf keeps what it downloads, but reads `file://` repositories in place, and
 * these keep the newest packages only: a night could not be promoted once they moved on. A link costs no space.
 * @param digest of the file; one name may stand for several, for instance after a new signature
 * @returns where it is in the cache
 */
async function keep({ name, evra, path }: DescribedPackage, digest: string, cacheDir: string): Promise<string> {
  if (!relative(cacheDir, path).startsWith('..')) return path;
  const kept = join(cacheDir, 'rpms', digest.slice(digest.indexOf(':') + 1).slice(0, 16), rpmFileName(name, evra));
  if (existsSync(kept)) return kept;
  await makeFolder(dirname(kept));
  await linkOrCopy(path, kept);
  return kept;
}

async function readKnown(path: string): Promise<Record<string, string>> {
  return (await readCacheRecord(path, knownFiles)) ?? {};
}

async function identityOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}
