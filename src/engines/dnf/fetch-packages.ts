import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../errors.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import { isErrno, sha256File, writeJson } from '../../tools/files.ts';
import type { Task } from '../../tools/task.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { callHelper } from './helper.ts';
import type { Phases } from './phases.ts';
import { type DescribedPackage, describedPackages, dnfError, dnfRequest } from './request.ts';

/**
 * Files whose checksum was found right, by path: device, inode, size, mtime and ctime in nanoseconds, and the checksum.
 * A file cannot change without its ctime changing, so such a file need not be read again.
 */
const knownFiles = z.record(z.string(), z.string());

/**
 * Brings every locked package's RPM file here, from the cache of earlier nights where it has it, and checks each against
 * the lockfile's digest.
 * @throws NightlyError `package-missing`, `repo-unreachable`, `verify` on a wrong digest, `disk-full`.
 */
export async function fetchPackages(
  treefile: Treefile,
  lockfile: Lockfile,
  cacheDir: string,
  task: Task,
  phases: Phases,
): Promise<DescribedPackage[]> {
  const { packages } = await callHelper(
    {
      verb: 'download',
      request: await dnfRequest(treefile, { cacheDir, lockfile, refresh: false }),
      result: describedPackages,
      fail: (error) => dnfError(error, treefile, true),
      home: join(cacheDir, 'home'),
    },
    task,
  );
  await phases.time('digests', 'self', () => checkDigests(packages, lockfile, cacheDir));
  return packages;
}

async function checkDigests(
  packages: readonly DescribedPackage[],
  lockfile: Lockfile,
  cacheDir: string,
): Promise<void> {
  const knownPath = join(cacheDir, 'checked-files.json');
  const known = await readKnown(knownPath);
  const found: Record<string, string> = {};
  const wrong: string[] = [];
  for (const { name, evra, path, digest } of packages) {
    const expected = lockfile.packages[name]?.digest ?? digest;
    const identity = await identityOf(path);
    let entry = known[path];
    if (entry !== `${identity} ${expected}`) entry = `${identity} sha256:${await sha256File(path)}`;
    if (entry === `${identity} ${expected}`) found[path] = entry;
    else wrong.push(`  ${name}-${evra}: ${path} has ${entry.split(' ').at(-1)}, the lockfile says ${expected}`);
  }
  if (wrong.length > 0) {
    throw new NightlyError('verify', `RPM files differ from what the lockfile names:\n${wrong.join('\n')}`, {
      hint: 'A file was damaged or exchanged after the repository metadata was made: repair the repository, or remove the file from the cache.',
    });
  }
  await writeJson(knownPath, found);
}

async function readKnown(path: string): Promise<Record<string, string>> {
  try {
    return knownFiles.safeParse(JSON.parse(await readFile(path, 'utf8'))).data ?? {};
  } catch (error) {
    // A missing or torn file costs only reading every package once more.
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return {};
    throw error;
  }
}

async function identityOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}
