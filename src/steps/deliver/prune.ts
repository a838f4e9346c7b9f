import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Task } from '../../base/task.ts';
import { listBuilds, type StoredBuild } from '../../build/build-store.ts';
import { readLockfile } from '../../rpm/lockfile.ts';
import { pruneRpms } from '../../rpm/rpm-cache.ts';
import type { Project } from '../../run/project.ts';

/**
 * Removes the images of builds beyond the stream's retention from the work folder, and their work files. Records and
 * logs are small and stay: they are the evidence, and their folders keep the ids taken (I3). The compose cache keeps the RPM
 * files of as many nights, so that those can be promoted when the repositories have moved on.
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
  // A release stream has the cache of its nights.
  if (project.stream.release === undefined) await pruneCache(project, builds, task);
}

async function pruneCache({ cacheDir, stream }: Project, builds: readonly StoredBuild[], task: Task): Promise<void> {
  const nights = builds.filter(({ paths }) => existsSync(paths.lockfile)).slice(0, stream.retention.builds);
  const removed = await pruneRpms(cacheDir, await Promise.all(nights.map(({ paths }) => readLockfile(paths.lockfile))));
  if (removed > 0) task.say(`removed ${removed} RPM files from the cache that none of ${nights.length} builds needs`);
}
