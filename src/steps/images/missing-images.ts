import type { Task } from '../../base/task.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { type ImageSet, imageIsThere } from './images.ts';
import { readShared } from './shared-record.ts';

/**
 * Image types that a machine has to make or to send, of those asked for: all but those that every target has already, made by
 * another machine of the same commit and by the same image type, and tested where the stream tests it.
 */
export async function missingImages(
  project: Project,
  build: Build,
  about: {
    readonly set: ImageSet;
    readonly commit: string;
    readonly among: readonly string[];
    readonly targets: readonly Target[];
  },
  task: Task,
): Promise<string[]> {
  const { set, commit, among, targets } = about;
  const gate = project.stream.smokeTest;
  if (among.length === 0) return [];
  const shared = await Promise.all(targets.map((target) => readShared(project, build.paths, target, task)));
  const missing: string[] = [];
  for (const { name, digest } of set.templates.filter((template) => among.includes(template.name))) {
    const isThere = shared.map(async (record) => {
      const image = record?.meta.images?.[name];
      const isTested = name in (record?.meta.smokeTests ?? {});
      return (
        image?.commit === commit &&
        image.templateDigest === digest &&
        (isTested || gate === false || !gate.images.includes(name)) &&
        // One that was made here may not have come to every target, or not under every name.
        !(await imageIsThere(build, image))
      );
    });
    if (!(await Promise.all(isThere)).every(Boolean)) missing.push(name);
    else task.say(`${name} is there already, made by another machine`);
  }
  return missing;
}
