import { readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { repoFileUrl } from '../../base/quoting.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import { copyTreefile } from '../../treefile/copy.ts';
import { readTreefile } from '../../treefile/read.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { readRepoFiles } from '../../treefile/treefile-repos.ts';
import { type RemoteSwap, renameInTreefile } from '../release/own-remote.ts';

/**
 * Returns a treefile with all its repositories in one place, a folder of packages that were checked; `swap` exchanges the release
 * package, where a promotion has another than its nightly build.
 * @param about.folder made anew, for a copy of the treefile
 */
export async function treefileOverStore(about: {
  readonly treefile: Treefile;
  readonly store: string;
  readonly folder: string;
  readonly swap: RemoteSwap | undefined;
}): Promise<Treefile> {
  const { treefile, store, folder, swap } = about;
  const { basearch = '' } = treefile.values;
  const repos = await readRepoFiles(treefile);
  const path = join(folder, await copyTreefile(treefile, [], folder));
  const beside = dirname(path);
  for (const name of await readdir(beside)) if (name.endsWith('.repo')) await rm(join(beside, name));
  const baseurl = repoFileUrl(store);
  const sections = repos.map(({ id }) => `[${id}]\nname=${id}\nbaseurl=${baseurl}\ngpgcheck=0\nenabled=1\n`);
  await writeFile(join(beside, 'locked.repo'), sections.join('\n'));
  return swap ? renameInTreefile(folder, path, swap, basearch) : readTreefile(path, { basearch });
}

/**
 * Refuses a depsolve that leaves out packages of its lockfile. Checksums were compared when the packages were gathered; older
 * releases of rpm-ostree do not give them back.
 * @throws NightlyError `depsolve`
 */
export function requireAllLocked(wanted: Lockfile, solved: Lockfile, hint: string): void {
  const more = Object.entries(wanted.packages).filter(([name, { evra }]) => solved.packages[name]?.evra !== evra);
  if (more.length === 0) return;
  throw new NightlyError(
    'depsolve',
    `The tree would not have all the packages of the lockfile: without ${more.map(([name]) => name).join(', ')}.`,
    { hint },
  );
}
