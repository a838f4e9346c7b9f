import type { Task } from '../../base/task.ts';
import type { PromotionRecord } from '../../build/build-record.ts';
import { findBuild, updateMeta } from '../../build/build-store.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { renewRecords } from '../deliver/publish-build.ts';

/**
 * Marks the earlier promotions of the same night as superseded, here and on the targets that have their records. They stay
 * where they are; retention decides about them as about any other build.
 */
export async function supersede(
  project: Project,
  build: Build,
  { supersedes }: PromotionRecord,
  task: Task,
): Promise<void> {
  const { config, targets } = project;
  for (const id of supersedes) {
    const { meta, paths } = await findBuild(config.work, id);
    // Released since, by somebody who was faster: a released record is frozen.
    if (meta.release !== undefined) continue;
    await updateMeta(paths, { supersededBy: build.id });
    await renewRecords(project, { paths }, targets, task);
    task.say(`${id} is superseded by ${build.id}`);
  }
}
