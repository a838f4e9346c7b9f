import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { readLockfile } from '../../rpm/lockfile.ts';
import type { Build } from '../../run/build.ts';
import type { RpmProject } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { remoteSwap } from '../release/own-remote.ts';
import { explainDepsolve } from './promote-depsolve.ts';
import type { Changes } from './promote-lockfile.ts';
import { composeCache, packageStore } from './promote-packages.ts';
import { requireAllLocked, treefileOverStore } from './treefile-over-store.ts';

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
  requireAllLocked(wanted, lockfile, 'Exclude them as well, or keep what needs them.');
  return { inputHash };
}

/** Returns the night's treefile over the packages that were checked, with the release's own remote. */
export async function lockedTreefile(project: RpmProject, build: Build): Promise<Treefile> {
  const folder = join(build.paths.scratch, 'treefile');
  return treefileOverStore({
    treefile: project.treefile,
    store: packageStore(project),
    folder,
    swap: remoteSwap(project),
  });
}
