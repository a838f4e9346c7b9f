import { rm } from 'node:fs/promises';
import { listBuilds } from '../run/build-store.ts';
import type { Project } from '../run/project.ts';
import type { Task } from '../tools/task.ts';

/**
 * Removes the images of builds beyond the stream's retention from the work folder, and their work files. Records and
 * logs are small and stay: they are the evidence, and their folders keep the ids taken (I3).
 */
export async function prune(project: Project, task: Task): Promise<void> {
  const { name, retention } = project.stream;
  const builds = (await listBuilds(project.config.work)).filter(({ meta }) => meta['atomic-nightly.stream'] === name);
  for (const { paths, meta } of builds.slice(retention.builds)) {
    const made = { ...meta.images, ...meta['atomic-nightly.refused-images'] };
    if (Object.keys(made).length === 0) continue;
    await rm(paths.images, { recursive: true, force: true });
    await rm(paths.scratch, { recursive: true, force: true });
    task.say(`removed the local images of ${paths.id}, beyond the newest ${retention.builds} builds`);
  }
}
