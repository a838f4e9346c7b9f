import { writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { buildMetaText } from '../../build/build-record-format.ts';
import { readMeta } from '../../build/build-store.ts';
import type { ImageTemplate } from '../../images/template/image-template.ts';
import type { Summed } from '../../published/sha256sums.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { logsOf, publishBuild, readSums, writeSums } from '../deliver/publish-build.ts';
import { type ImageResults, mergeRecord, type Standing, standingOf, type TreeResults } from './merge-record.ts';
import type { SharedRecord } from './shared-record.ts';

export interface PartRequest {
  readonly results: ImageResults;
  /** Results of the machine that made the commit; absent on others. */
  readonly tree?: TreeResults | undefined;
  /** What this machine made, as in SHA256SUMS. */
  readonly files: readonly Summed[];
  readonly templates: readonly ImageTemplate[];
  /** Whether other machines make images of the build too. */
  readonly isShared: boolean;
  /** Whether the record of a shared build on this target is to become the one here. */
  readonly keep: boolean;
}

/**
 * Publishes what this machine made of a build. Where several do, it is merged into the record on the target, so that machines
 * which finish at once lose nothing, and all images of that record are named where clients look for them.
 * @throws NightlyError those of `publishBuild`; `usage` when a shared build is released.
 */
export async function publishPart(
  project: Project,
  build: Build,
  target: Target,
  { results, tree, files, templates, isShared, keep }: PartRequest,
  task: Task,
): Promise<Standing> {
  const { stream } = project;
  const logs = await logsOf(build, tree === undefined ? results.types : undefined);
  const here: SharedRecord = { meta: tree?.meta ?? (await readMeta(build.paths)), sums: await readSums(build) };
  const merge = (there: SharedRecord | undefined) => mergeRecord(there ?? here, results, stream, tree);
  const sent = { files, logs, templates, merge: isShared ? merge : undefined };
  const { meta, sums } = await publishBuild(project, build, target, sent, task);
  if (isShared && keep) {
    await writeSums(build, sums);
    await writeFileAtomic(build.paths.meta, buildMetaText(meta));
  }
  return standingOf(meta, stream);
}
