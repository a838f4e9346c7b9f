import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import type { Task } from '../../base/task.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { type BuildSurvey, buildPaths, type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { type TagSurvey, tagsOf, whileTagsStay } from '../../build/build-tags.ts';
import type { StreamConfig } from '../../config/config.ts';
import { forgetOld } from '../../reports/notify/outbox.ts';
import { type Lockfile, readLockfile } from '../../rpm/lockfile.ts';
import { removeRpms, unneededRpms } from '../../rpm/rpm-cache.ts';
import { cacheFolder, type Project } from '../../run/project.ts';
import { targetsClock } from '../compose/clock.ts';

/**
 * Removes the images of builds beyond the stream's retention from the work folder, and their work files. Records and
 * logs are small and stay: they are the evidence, and their folders keep the ids taken (I3). The compose cache keeps the RPM
 * files of as many nights, so that those can be promoted when the repositories have moved on. Of a build whose record is
 * damaged nothing is removed, nor what its lockfile names: whose it is, and how it stands, is not known. Messages that a sink has not
 * taken for a week go as well.
 * @throws NightlyError `clock` when one would go, and the clock is in doubt.
 */
export async function prune({ config, stream }: Project, task: Task): Promise<void> {
  await forgetOld(config.work, () => targetsClock(config, task.signal));
  await whileTagsStay(config.work, (tags) => pruneBy(tags, { config, stream }, task), task);
}

async function pruneBy(
  tags: TagSurvey,
  { config, stream }: Pick<Project, 'config' | 'stream'>,
  task: Task,
): Promise<void> {
  const survey = await surveyBuilds(config.work);
  const beyond = imagesBeyond(stream, survey, tags);
  for (const note of beyond.notes) task.say(note);
  for (const { paths } of beyond.builds) {
    await rm(paths.images, { recursive: true, force: true });
    await rm(paths.scratch, { recursive: true, force: true });
    task.say(`removed the local images of ${paths.id}, beyond the newest ${stream.retention.builds} builds`);
  }
  const rpms = await rpmsBeyond(config.work, stream, survey, tags);
  if ('unknown' in rpms) task.say(`nothing is removed from the RPM cache: ${rpms.unknown}`);
  else if (rpms.unneeded.length > 0) {
    await removeRpms(rpms.unneeded);
    task.say(`removed ${rpms.unneeded.length} RPM files from the cache that none of ${rpms.nights} builds needs`);
  }
}

type Stream = Pick<StreamConfig, 'name' | 'retention' | 'release'>;

/** Images that a retention no longer keeps, and a sentence for each build whose images stay nevertheless. */
export interface ImagesBeyond {
  readonly builds: readonly StoredBuild[];
  readonly notes: readonly string[];
}

/**
 * Finds the builds of a stream whose images its retention no longer keeps. Those of a tagged build stay, and while it is not known
 * which build a tag is for, all do (I8).
 */
export function imagesBeyond({ name, retention }: Stream, { builds }: BuildSurvey, tags: TagSurvey): ImagesBeyond {
  const beyond = builds
    .filter(({ meta }) => meta.stream === name)
    .slice(retention.builds)
    .filter(({ meta, paths }) => hasImages(meta) && existsSync(paths.images));
  const [unknown] = tags.damaged;
  if (unknown && beyond.length > 0) {
    return { builds: [], notes: [`No images of ${name} are removed: ${unknown.error.message}`] };
  }
  const named = beyond.map((build) => ({ build, names: tagsOf(tags, build.meta.buildid) }));
  return {
    builds: named.flatMap(({ build, names }) => (names.length === 0 ? [build] : [])),
    notes: named.flatMap(({ build, names }) =>
      names.length === 0 ? [] : [`The images of ${build.meta.buildid} stay: it is tagged ${names.join(', ')}.`],
    ),
  };
}

const hasImages = ({ images, refusedImages }: BuildMeta): boolean =>
  Object.keys({ ...images, ...refusedImages }).length > 0;

/** What of a compose cache may go, and how many nights the rest is for; or why that is not known. */
export type RpmsBeyond =
  | { readonly unneeded: readonly string[]; readonly nights: number }
  | { readonly unknown: string };

/** Finds the RPM files in the compose cache of a stream that none of the nights needs which its retention or a tag keeps. */
export async function rpmsBeyond(
  work: string,
  stream: Stream,
  { builds, damaged }: BuildSurvey,
  tags: TagSurvey,
): Promise<RpmsBeyond> {
  // A release stream has the cache of its nights.
  if (stream.release !== undefined) return { unneeded: [], nights: 0 };
  const own = builds.filter(({ meta }) => meta.stream === stream.name);
  if (tags.damaged[0]) return { unknown: tags.damaged[0].error.message };
  const nights = own
    .filter(({ paths }) => existsSync(paths.lockfile))
    .filter(({ meta }, index) => index < stream.retention.builds || tagsOf(tags, meta.buildid).length > 0);
  const lockfiles: Lockfile[] = [];
  const unknown = damaged.flatMap(({ id, arch }) => (arch === undefined ? [] : buildPaths(work, id, arch)));
  for (const { lockfile } of [
    ...nights.map(({ paths }) => paths),
    ...unknown.filter((one) => existsSync(one.lockfile)),
  ]) {
    try {
      lockfiles.push(await readLockfile(lockfile));
    } catch (error) {
      // What that night needs is not known, so nothing goes (I8); the night itself goes on (I15).
      return { unknown: asNightlyError(error).message };
    }
  }
  return { unneeded: await unneededRpms(cacheFolder(work, stream.name), lockfiles), nights: nights.length };
}
