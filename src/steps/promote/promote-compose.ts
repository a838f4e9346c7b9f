import { join } from 'node:path';
import { makeFolder, writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { SIGNATURES_FILE } from '../../build/build-files.ts';
import type { Composed } from '../../engines/engine.ts';
import { removeTree } from '../../programs/rm.ts';
import { readLockfile } from '../../rpm/lockfile.ts';
import type { Build } from '../../run/build.ts';
import type { RpmProject } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import { promotedProvenance } from '../compose/provenance-request.ts';
import { commitWithIds } from './commit-with-ids.ts';
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
  const parent = await commitWithIds(repo, { parent: night.meta.parent, commit: night.commit }, task);
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
