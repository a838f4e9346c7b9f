import { join } from 'node:path';
import { writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { REPORT_FILE } from '../../build/build-files.ts';
import type { Composed } from '../../engines/engine.ts';
import { removeTree } from '../../programs/rm.ts';
import type { Build } from '../../run/build.ts';
import type { FolderProject } from '../../run/project.ts';
import { folderRequest } from './folder-inputs.ts';

/** Makes the commit of a tree that others made, in the local repo; no ref moves. What they reported is kept beside the record. */
export async function composeFolder(
  project: FolderProject,
  build: Build,
  inputs: { readonly parent?: string | undefined; readonly inputHash: string; readonly timestamp?: number },
  task: Task,
): Promise<Composed> {
  const { engine, repo, ref, testedRef } = project;
  const request = folderRequest(project, build, inputs.timestamp ?? build.timestamp);
  const { components, provenance, ...composed } = await engine.compose(
    {
      ...request,
      repo,
      ref,
      inputHash: inputs.inputHash,
      version: build.id,
      alsoBound: testedRef === undefined ? undefined : [testedRef],
      parent: inputs.parent,
    },
    task,
  );
  if (provenance !== undefined) await writeJson(join(build.paths.dir, REPORT_FILE), provenance);
  // Removed while the next steps run, as in compose.ts.
  removeTree(request.scratchDir, task).catch(() => undefined);
  const packages = components.filter(({ arch }) => arch !== '').length;
  const counts = { package: packages, component: components.length - packages };
  const parts = Object.entries(counts).flatMap(([what, count]) =>
    count === 0 ? [] : `${count} ${what}${count === 1 ? '' : 's'}`,
  );
  task.say([`commit ${composed.commit}`, ...parts].join(', '));
  return composed;
}
