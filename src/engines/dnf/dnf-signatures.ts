import { join } from 'node:path';
import { z } from 'zod';
import { readCacheRecord } from '../../base/cache-record.ts';
import { NightlyError } from '../../base/errors.ts';
import { sha256, writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { checkRpms } from '../../rpm/check-signatures.ts';
import { readRepoKeys } from '../../rpm/repo-keys.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { treefileRepos } from '../../treefile/treefile-repos.ts';
import type { DescribedPackage } from './dnf-request.ts';

/** What passed before: SHA-256 of a package file and of the set of keys it was checked against. */
const checkedBefore = z.array(z.string());

/**
 * Checks the signature of every package that comes from a repository whose .repo file says gpgcheck=1, against that
 * repository's own keys. What passed once against the same keys is not checked again.
 * @throws NightlyError `package-unsigned`, naming each package, its repository and what is wrong with it.
 */
export async function checkPackageSignatures(
  treefile: Treefile,
  packages: readonly DescribedPackage[],
  dirs: { readonly cacheDir: string; readonly scratchDir: string },
  task: Task,
): Promise<void> {
  const cachePath = join(dirs.cacheDir, 'checked-signatures.json');
  const known = new Set(await readChecked(cachePath));
  const passed: string[] = [];
  const faults: string[] = [];
  for (const repo of await treefileRepos(treefile, { locked: true })) {
    const own = packages.filter((one) => one.repo === repo.id);
    if (!repo.gpgcheck || own.length === 0) continue;
    const keys = await readRepoKeys(repo, task);
    const keySet = sha256(keys.map((key) => sha256(key)).join('\n'));
    const mark = (one: DescribedPackage): string => `${one.digest} ${keySet}`;
    const unknown = own.filter((one) => !known.has(mark(one)));
    const bad = await badOnes(unknown, keys, dirs.scratchDir, task);
    passed.push(...own.filter((one) => !bad.has(one.path)).map(mark));
    for (const one of unknown) {
      const why = bad.get(one.path);
      if (why !== undefined) faults.push(`  ${one.name}-${one.evra} from ${repo.id}: ${why}`);
    }
  }
  await writeJson(cachePath, passed);
  if (faults.length === 0) return;
  throw new NightlyError(
    'package-unsigned',
    `These packages come from a repository with gpgcheck=1, but carry no good signature by one of its keys:\n${faults.join('\n')}`,
    { hint: 'Have the packages signed, or correct gpgkey= in the .repo file; gpgcheck=0 turns the check off.' },
  );
}

/** Path of each file that did not pass, with the reason. */
async function badOnes(
  packages: readonly DescribedPackage[],
  keys: readonly string[],
  scratchDir: string,
  task: Task,
): Promise<Map<string, string>> {
  const files = packages.map(({ path }) => path);
  const bad = await checkRpms(files, keys, join(scratchDir, 'rpm-keys'), task);
  return new Map(bad.map(({ file, report }) => [file, report]));
}

async function readChecked(path: string): Promise<string[]> {
  return (await readCacheRecord(path, checkedBefore)) ?? [];
}
