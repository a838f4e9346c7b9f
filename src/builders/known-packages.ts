import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { digestLike, makeFolder, readTextIfExists, sha256, withTemporaryFolder, writeJson } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { checkRpms } from '../rpm/check-signatures.ts';
import { fetchFile } from '../rpm/download.ts';
import { readRpmTags } from '../rpm/header-tags.ts';
import type { RepoPackage } from '../rpm/primary.ts';
import { readRepoKeys } from '../rpm/repo-keys.ts';
import { readRepoContent } from '../rpm/repodata.ts';
import { readTreefile } from '../treefile/read.ts';
import { treefileRepos } from '../treefile/treefile-repos.ts';
import { isLinkMode, joinKnown, type KnownFile, type KnownGood } from './known-file.ts';

/** Bits of FILEFLAGS (rpm's rpmfiles.h). */
const CONFIG = 1;
const GHOST = 1 << 6;
const REGULAR = 0o100000;
const KIND = 0o170000;
/** SHA-256 among the digests of OpenPGP. */
const SHA256 = 8;

const remembered = z.array(
  z.tuple([
    z.string(),
    z.strictObject({
      mode: z.int(),
      byRoot: z.boolean(),
      digest: z.string().optional(),
      link: z.string().optional(),
      config: z.boolean(),
    }),
  ]),
);

/**
 * Returns what all packages of repositories say is on machines. A package is fetched once, its signature checked where its .repo
 * file has gpgcheck=1, and what its header says is remembered by its digest.
 * @param folder `work/rebuild`
 * @throws NightlyError `config`, `repo-unreachable`, `package-unsigned`.
 */
export async function knownFromPackages(
  {
    folder,
    repoFiles,
    arch,
  }: { readonly folder: string; readonly repoFiles: readonly string[]; readonly arch: string },
  task: Task,
): Promise<KnownGood> {
  const cache = join(folder, 'known');
  await makeFolder(cache);
  const entries: (readonly [string, KnownFile])[] = [];
  await withTemporaryFolder(async (dir) => {
    for (const [index, file] of repoFiles.entries()) await symlink(file, join(dir, `${index}.repo`));
    const path = join(dir, 'known.json');
    await writeJson(path, { packages: ['known-good'] });
    for (const repo of await treefileRepos(await readTreefile(path, { basearch: arch }), { locked: false })) {
      const { packages } = await readRepoContent(repo, task);
      const keys = repo.gpgcheck ? await readRepoKeys(repo, task) : undefined;
      const limit = pLimit(4);
      const read = (one: RepoPackage, number: number) =>
        limit(() => knownOf(one, { cache, keys, dir: join(dir, `${repo.id}-${number}`) }, task));
      for (const known of await Promise.all(packages.map(read))) entries.push(...known);
    }
  });
  return joinKnown(entries);
}

type Remembered = z.output<typeof remembered>;

async function knownOf(
  { name, evra, url, digest, connection }: RepoPackage,
  { cache, keys, dir }: { readonly cache: string; readonly keys: readonly string[] | undefined; readonly dir: string },
  task: Task,
): Promise<Remembered> {
  if (digest === undefined)
    throw new NightlyError('verify', `The repository of ${name}-${evra} has no checksum of it that counts.`);
  const path = join(cache, `${sha256(`${digest} ${keys?.map((key) => sha256(key)).join(' ') ?? ''}`)}.json`);
  const text = await readTextIfExists(path);
  if (text !== undefined) return remembered.parse(JSON.parse(text));
  await makeFolder(dir);
  const rpm = join(dir, 'package.rpm');
  try {
    await fetchFile(url, rpm, task, connection);
  } catch (error) {
    task.signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('repo-unreachable', `${name}-${evra} cannot be fetched from ${url}: ${why}.`, {
      cause: error,
    });
  }
  if ((await digestLike(digest, rpm)) !== digest)
    throw new NightlyError('verify', `${url} is not what its repository says.`);
  const [fault] = keys === undefined ? [] : await checkRpms([rpm], keys, join(dir, 'keys'), task);
  if (fault !== undefined) {
    throw new NightlyError('package-unsigned', `${name}-${evra} is no known-good package: ${fault.report}.`, {
      hint: 'Its repository has gpgcheck=1 and must be signed by its gpgkey.',
    });
  }
  const known = await filesOf(rpm);
  await writeJson(path, known);
  return known;
}

/** Reads what a package installs from its header. */
async function filesOf(rpm: string): Promise<Remembered> {
  const tags = await readRpmTags(rpm);
  const [folders, indexes, names] = [tags.texts('dirNames'), tags.numbers('dirIndexes'), tags.texts('baseNames')];
  const [modes, flags] = [tags.numbers('fileModes'), tags.numbers('fileFlags')];
  const [digests, links, users] = [tags.texts('fileDigests'), tags.texts('fileLinks'), tags.texts('fileUser')];
  // Digests of another kind than SHA-256 (before 2009) are no proof of anything.
  const comparable = tags.numbers('digestAlgorithm')[0] === SHA256;
  return names.map((name, at): Remembered[number] => {
    const mode = modes[at] ?? 0;
    const config = ((flags[at] ?? 0) & (CONFIG | GHOST)) !== 0;
    const hasDigest = (mode & KIND) === REGULAR && !config;
    return [
      `${folders[indexes[at] ?? 0] ?? ''}${name}`,
      {
        mode,
        byRoot: users[at] === 'root',
        config,
        ...(hasDigest && { digest: comparable ? (digests[at] ?? '') : '' }),
        ...(isLinkMode(mode) && { link: links[at] ?? '' }),
      },
    ];
  });
}
