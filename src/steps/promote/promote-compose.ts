import { join } from 'node:path';
import { makeFolder, writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { SIGNATURES_FILE } from '../../build/build-files.ts';
import type { Composed } from '../../engines/engine.ts';
import { ID_FILES } from '../../ostree/seed-repo.ts';
import { catFile } from '../../programs/ostree.ts';
import { removeTree } from '../../programs/rm.ts';
import { readLockfile } from '../../rpm/lockfile.ts';
import type { Build } from '../../run/build.ts';
import type { RpmProject } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import { promotedProvenance } from '../compose/provenance-request.ts';
import { composeCache } from './promote-packages.ts';
import { lockedTreefile } from './promote-resolve.ts';

/**
 * Makes the night's tree again: at its time, on top of what it followed, so that nothing differs that need not. The commit
 * is not the one that will be published; it only brings the tree into the local repository.
 */
export async function promoteCompose(
  project: RpmProject,
  build: Build,
  { night, inputHash }: { readonly night: Night; readonly inputHash: string },
  task: Task,
): Promise<Composed> {
  const { engine, repo, ref } = project;
  const scratchDir = join(build.paths.scratch, 'compose');
  await makeFolder(scratchDir);
  const parent = await withIds(project, night, task);
  const provenance = await promotedProvenance(repo, night.commit, task);
  const { signatures, ...composed } = await engine.compose(
    {
      treefile: await lockedTreefile(project, build),
      lockfile: await readLockfile(build.paths.lockfile),
      inputHash,
      cacheDir: composeCache(project),
      scratchDir,
      repo,
      ref,
      parent,
      version: build.id,
      timestamp: night.timestamp,
      repoTimestamps: {},
      metadata: {},
      provenance,
    },
    task,
  );
  if (signatures !== undefined) await writeJson(join(build.paths.dir, SIGNATURES_FILE), { packages: signatures });
  removeTree(scratchDir, task).catch(() => undefined);
  task.say(`tree ${composed.contentChecksum.slice(0, 12)}, initramfs ${composed.initramfs}`);
  return composed;
}

/**
 * Returns the commit whose users and groups keep their ids: the one the night followed, or the night itself where that
 * has been pruned; the latter has the same ids, but may have them in another order.
 */
async function withIds({ repo }: RpmProject, { meta, commit }: Night, task: Task): Promise<string | undefined> {
  const parent = meta.parent;
  if (parent === undefined) return undefined;
  for (const path of ID_FILES) if ((await catFile(repo, parent, path, task)) !== undefined) return parent;
  task.say(
    `the commit before the nightly build, ${parent.slice(0, 12)}, was pruned: ids are taken from the nightly build itself`,
  );
  return commit;
}
