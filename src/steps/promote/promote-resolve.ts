import { readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { repoFileUrl } from '../../base/quoting.ts';
import type { Task } from '../../base/task.ts';
import { readLockfile } from '../../rpm/lockfile.ts';
import type { Build } from '../../run/build.ts';
import type { RpmProject } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import { copyTreefile } from '../../treefile/copy.ts';
import { readTreefile } from '../../treefile/read.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { readRepoFiles } from '../../treefile/treefile-repos.ts';
import { remoteSwap, renameInTreefile } from '../release/own-remote.ts';
import { explainDepsolve } from './promote-depsolve.ts';
import type { Changes } from './promote-lockfile.ts';
import { composeCache, packageStore } from './promote-packages.ts';

/**
 * Lets the engine find out that the promotion's packages, and no others, make up the treefile's tree.
 * @throws NightlyError `depsolve`, naming what an override or an exclusion lacks.
 */
export async function promoteResolve(
  project: RpmProject,
  build: Build,
  about: { readonly night: Night; readonly changes: Changes },
  task: Task,
): Promise<{ readonly inputHash: string }> {
  const wanted = await readLockfile(build.paths.lockfile);
  const treefile = await lockedTreefile(project, build);
  const request = { treefile, cacheDir: composeCache(project), repo: project.repo, lockfile: wanted };
  const { lockfile, inputHash } = await project.engine.resolve(request, task).catch(async (error: unknown) => {
    throw await explainDepsolve(error, project, about, task);
  });
  // Checksums were compared when the packages were gathered; older releases of rpm-ostree do not give them back.
  const more = Object.entries(wanted.packages).filter(([name, { evra }]) => lockfile.packages[name]?.evra !== evra);
  if (more.length > 0) {
    throw new NightlyError(
      'depsolve',
      `The tree would not have all the packages of the lockfile: without ${more.map(([name]) => name).join(', ')}.`,
      { hint: 'Exclude them as well, or keep what needs them.' },
    );
  }
  return { inputHash };
}

/**
 * Returns the night's treefile with all its repositories in one place, the packages that were checked, and with the
 * release's own remote. Written anew into the build's scratch folder.
 */
export async function lockedTreefile(project: RpmProject, build: Build): Promise<Treefile> {
  const { treefile, stream } = project;
  const folder = join(build.paths.scratch, 'treefile');
  const repos = await readRepoFiles(treefile);
  const path = join(folder, await copyTreefile(treefile, [], folder));
  const beside = dirname(path);
  for (const name of await readdir(beside)) if (name.endsWith('.repo')) await rm(join(beside, name));
  const baseurl = repoFileUrl(packageStore(project));
  const sections = repos.map(({ id }) => `[${id}]\nname=${id}\nbaseurl=${baseurl}\ngpgcheck=0\nenabled=1\n`);
  await writeFile(join(beside, 'locked.repo'), sections.join('\n'));
  const swap = remoteSwap(project);
  return swap ? renameInTreefile(folder, path, swap, stream.arch) : readTreefile(path, { basearch: stream.arch });
}
