import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Task } from '../tools/task.ts';
import { type ImageSet, imageIsThere } from './images.ts';
import { readShared } from './shared-record.ts';

/**
 * Image types that a machine has to make or to send, of those asked for: all but those that another machine made, as the
 * stream's first target says, of the same commit and by the same image type, and tested where the stream tests it.
 */
export async function missingImages(
  project: Project,
  build: Build,
  about: { readonly set: ImageSet; readonly commit: string; readonly among: readonly string[] },
  task: Task,
): Promise<string[]> {
  const { set, commit, among } = about;
  const { stream, targets } = project;
  if (among.length === 0) return [];
  const meta = (await readShared(project, build.paths, targets[0], task))?.meta;
  const tests = meta?.['atomic-nightly.smoke-tests'] ?? {};
  const missing: string[] = [];
  for (const { name, digest } of set.templates.filter((template) => among.includes(template.name))) {
    const image = meta?.images?.[name];
    const isSame = image?.['atomic-nightly.commit'] === commit && image['atomic-nightly.template-digest'] === digest;
    const isTested = stream.smokeTest === false || !stream.smokeTest.images.includes(name) || name in tests;
    // One that was made here may not have come to every target.
    if (!image || !isSame || !isTested || (await imageIsThere(build, image))) missing.push(name);
    else task.say(`${name} is there already, made by another machine`);
  }
  return missing;
}
