import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import type { Task } from '../../base/task.ts';
import { type BuildSurvey, buildPaths, surveyBuilds } from '../../build/build-store.ts';
import { type Lockfile, readLockfile } from '../../rpm/lockfile.ts';
import { pruneRpms } from '../../rpm/rpm-cache.ts';
import type { Project } from '../../run/project.ts';

/**
 * Removes the images of builds beyond the stream's retention from the work folder, and their work files. Records and
 * logs are small and stay: they are the evidence, and their folders keep the ids taken (I3). The compose cache keeps the RPM
 * files of as many nights, so that those can be promoted when the repositories have moved on. Of a build whose record is
 * damaged nothing is removed, nor what its lockfile names: whose it is, and how it stands, is not known.
 */
export async function prune(project: Project, task: Task): Promise<void> {
  const { name, retention } = project.stream;
  const { builds: all, damaged } = await surveyBuilds(project.config.work);
  const builds = all.filter(({ meta }) => meta.stream === name);
  for (const { paths, meta } of builds.slice(retention.builds)) {
    const made = { ...meta.images, ...meta.refusedImages };
    if (Object.keys(made).length === 0) continue;
    await rm(paths.images, { recursive: true, force: true });
    await rm(paths.scratch, { recursive: true, force: true });
    task.say(`removed the local images of ${paths.id}, beyond the newest ${retention.builds} builds`);
  }
  // A release stream has the cache of its nights.
  if (project.stream.release === undefined) await pruneCache(project, { builds, damaged }, task);
}

async function pruneCache(
  { cacheDir, stream, config }: Project,
  { builds, damaged }: BuildSurvey,
  task: Task,
): Promise<void> {
  const nights = builds.filter(({ paths }) => existsSync(paths.lockfile)).slice(0, stream.retention.builds);
  const lockfiles: Lockfile[] = [];
  const unknown = damaged.flatMap(({ id, arch }) => (arch === undefined ? [] : buildPaths(config.work, id, arch)));
  for (const { lockfile } of [
    ...nights.map(({ paths }) => paths),
    ...unknown.filter((one) => existsSync(one.lockfile)),
  ]) {
    try {
      lockfiles.push(await readLockfile(lockfile));
    } catch (error) {
      // What that night needs is not known, so nothing goes (I8); the night itself goes on (I15).
      task.say(`nothing is removed from the RPM cache: ${asNightlyError(error).message}`);
      return;
    }
  }
  const removed = await pruneRpms(cacheDir, lockfiles);
  if (removed > 0) task.say(`removed ${removed} RPM files from the cache that none of ${nights.length} builds needs`);
}
