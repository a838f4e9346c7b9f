import { basename } from 'node:path';
import type { Task } from '../../base/task.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import type { TypedImage } from '../../images/image.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import { BUILD_INDEX } from '../../published/build-index.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { INDEX_PATH, indexSigning, renewRecords, withRetracted } from '../deliver/publish-build.ts';
import { offerAgain } from './withdraw-pointers.ts';

export interface Retracted {
  /** The nights that are taken back. */
  readonly gone: readonly StoredBuild[];
  /** Build id of the good night, and its folder relative to the target's root. */
  readonly release: string;
  readonly folder: string;
  readonly images: readonly TypedImage[];
  readonly reason: string;
}

/**
 * Says on a target that nights were taken back, in their records and in the index, and leads nobody to their images any
 * more. Files stay, so no download is cut.
 * @throws NightlyError `signing`, `target-moved`, `locked`, `image`.
 */
export async function markRetracted(
  project: Project,
  build: Build,
  target: Target,
  { gone, release, folder, images, reason }: Retracted,
  task: Task,
): Promise<void> {
  const ids = gone.map(({ meta }) => meta.buildid);
  // Retention may have removed images there that the record still names.
  const there = new Set<string>();
  for await (const { path } of target.list(`${folder}/images`, task)) there.add(basename(path));
  const left = images.filter(({ image }) => there.has(basename(image.path)));
  const at = { bad: ids, release, folder: `${target.publicUrl}/${folder}`, images: left };
  await offerAgain(project, at, target, task);
  for (const { paths } of gone) await renewRecords(project, { paths }, [target], task);
  await updateRecord(
    { path: INDEX_PATH, format: BUILD_INDEX },
    (old) => old && withRetracted(old, ids, { by: build.id, reason }),
    target,
    task,
    indexSigning(project, target, task),
  );
  task.say(`${target.describe()}: ${ids.join(', ')} retracted`);
}
