import { join } from 'node:path';
import { makeFolder, writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { SIGNATURES_FILE } from '../../build/build-files.ts';
import type { Composed } from '../../engines/engine.ts';
import { removeTree } from '../../programs/rm.ts';
import { readLockfile } from '../../rpm/lockfile.ts';
import type { RepositoryState } from '../../rpm/repomd.ts';
import type { Build } from '../../run/build.ts';
import type { RpmProject } from '../../run/project.ts';
import { provenanceRequest } from './provenance-request.ts';

/** Makes the commit from the build's lockfile, in the local repo; no ref moves. */
export async function compose(
  project: RpmProject,
  build: Build,
  inputs: {
    readonly parent?: string | undefined;
    readonly inputHash: string;
    readonly states: readonly RepositoryState[];
    /** The top treefile in the build's copy. */
    readonly treefileCopy?: string | undefined;
  },
  task: Task,
): Promise<Composed> {
  const scratchDir = join(build.paths.scratch, 'compose');
  await makeFolder(scratchDir);
  const { treefileCopy } = inputs;
  const { signatures, ...composed } = await project.engine.compose(
    {
      treefile: project.treefile,
      lockfile: await readLockfile(build.paths.lockfile),
      inputHash: inputs.inputHash,
      cacheDir: project.cacheDir,
      scratchDir,
      repo: project.repo,
      ref: project.ref,
      alsoBound: project.testedRef === undefined ? undefined : [project.testedRef],
      parent: inputs.parent,
      version: build.id,
      timestamp: build.timestamp,
      repoTimestamps: Object.fromEntries(inputs.states.map(({ id, generated }) => [id, generated])),
      metadata: {},
      provenance: treefileCopy === undefined ? undefined : await provenanceRequest(project, build, treefileCopy),
    },
    task,
  );
  if (signatures !== undefined) await writeJson(join(build.paths.dir, SIGNATURES_FILE), { packages: signatures });
  // Tens of thousands of files: removed while the next steps run. What an early end of the run leaves of them goes with
  // the build's scratch folder, or before the next try of this step.
  removeTree(scratchDir, task).catch(() => undefined);
  task.say(`commit ${composed.commit}, initramfs ${composed.initramfs}`);
  return composed;
}
