import { lstat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { filesBelow, ifThere } from '../../base/files.ts';
import { isBuildId } from '../../build/build-id.ts';
import { type BuildSurvey, type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import type { TagSurvey } from '../../build/build-tags.ts';
import type { Config } from '../../config/config.ts';
import { rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import { isFinished } from '../../run/build.ts';
import { imagesBeyond, rpmsBeyond } from '../deliver/prune.ts';
import { type Found, type Garbage, measured, namesIn, whole } from './garbage.ts';

/** Milliseconds after which a file with the name of an unfinished one belongs to nobody: whoever writes one takes moments. */
const ABANDONED_MS = 24 * 3600 * 1000;

/** Names of files that `writeFileAtomic` writes aside, and of images that are being made. */
const UNFINISHED = /\.\d+\.\d+\.tmp$|^\..+\.part$/;

/** Folders of the work folder where such files can be; the others have a tidying of their own. */
const WRITTEN = ['builds', 'cache/repositories', 'log', 'notify', 'signatures', 'audit', 'tags'];

/**
 * Finds what can go from a work folder while its run lock is held. A build that can be resumed keeps all it has, and so does one
 * whose record is damaged (I8, I15).
 * @param tags which stay as they are meanwhile
 * @returns the items, and what is not known well enough to remove anything of it, a sentence each
 */
export async function findGarbage(config: Config, tags: TagSurvey): Promise<{ items: Garbage[]; notes: string[] }> {
  const { work } = config;
  const survey = await surveyBuilds(work);
  const open = await openIds(survey);
  const images = imagesToGo(config, survey, { open, tags });
  const { items: packages, notes } = await packagesToGo(config, survey, tags);
  const found = [
    ...(await scratchToGo(work, currentIds(survey, open))),
    ...images.items,
    ...packages,
    ...(await cachesToGo(config)),
    ...(await unfinishedToGo(work, open)),
  ];
  return { items: await measured(work, found), notes: [...images.notes, ...notes] };
}

/** Finds build roots of earlier jobs while the lock of rebuilds is held: they are laid out again when a job is compared with another. */
export async function findBuildRoots(work: string): Promise<Garbage[]> {
  const roots = join(rebuildFolder(work), 'roots');
  const earlier = (await namesIn(roots)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const why = 'of an earlier job; laid out again when needed';
  return measured(
    work,
    earlier.map((name) => whole('build-root', join(roots, name), why)),
  );
}

/** Returns the ids of builds that can be continued, and of those of which that is not known. */
async function openIds({ builds, damaged }: BuildSurvey): Promise<Set<string>> {
  const open = damaged.map(({ id }) => id);
  for (const build of builds) {
    // With a damaged journal it cannot be continued, but what it is good for is for somebody to look at.
    if (!(await isFinished(build).catch(() => false))) open.push(build.meta.buildid);
  }
  return new Set(open);
}

/** Returns the open ids but for those that a later build of the stream has replaced: continued after all, they make their work files again. */
function currentIds({ builds }: BuildSurvey, open: ReadonlySet<string>): Set<string> {
  const replaced = builds.filter(({ meta }, index) =>
    builds.slice(0, index).some((later) => later.meta.stream === meta.stream && !open.has(later.meta.buildid)),
  );
  const ids = new Set(replaced.map(({ meta }) => meta.buildid));
  return new Set([...open].filter((id) => !ids.has(id)));
}

async function scratchToGo(work: string, current: ReadonlySet<string>): Promise<Found[]> {
  const folder = join(work, 'scratch');
  const names = (await namesIn(folder)).filter((name) => !current.has(name));
  return names.map((name) =>
    whole('scratch', join(folder, name), isBuildId(name) ? `build ${name} has ended` : 'left by a run that has ended'),
  );
}

function imagesToGo(
  { streams }: Config,
  survey: BuildSurvey,
  { open, tags }: { readonly open: ReadonlySet<string>; readonly tags: TagSurvey },
): { items: Found[]; notes: string[] } {
  const beyond = Object.values(streams).map((stream) => ({
    ...imagesBeyond(stream, survey, tags),
    most: stream.retention.builds,
  }));
  return {
    items: beyond.flatMap(({ builds, most }) =>
      builds
        .filter(({ meta }) => !open.has(meta.buildid))
        .map((build) => whole('images', build.paths.images, whyBeyond(build, most))),
    ),
    notes: beyond.flatMap(({ notes }) => notes),
  };
}

const whyBeyond = ({ meta }: StoredBuild, most: number): string => `beyond the newest ${most} builds of ${meta.stream}`;

async function packagesToGo(
  { work, streams }: Config,
  survey: BuildSurvey,
  tags: TagSurvey,
): Promise<{ items: Found[]; notes: string[] }> {
  const items: Found[] = [];
  const notes: string[] = [];
  for (const stream of Object.values(streams)) {
    const rpms = await rpmsBeyond(work, stream, survey, tags);
    if ('unknown' in rpms) notes.push(`Nothing goes from the RPM cache of ${stream.name}: ${rpms.unknown}`);
    else if (rpms.unneeded.length > 0) {
      const why = `${rpms.unneeded.length} RPM files that none of ${rpms.nights} builds needs`;
      items.push({ kind: 'packages', at: join(work, 'cache', stream.name), parts: rpms.unneeded, why });
    }
  }
  return { items, notes };
}

async function cachesToGo({ work, streams }: Config): Promise<Found[]> {
  const folder = join(work, 'cache');
  const unknown = (await namesIn(folder)).filter((name) => name !== 'repositories' && !Object.hasOwn(streams, name));
  return unknown.map((name) => whole('cache', join(folder, name), `no stream ${name} is configured`));
}

async function unfinishedToGo(work: string, open: ReadonlySet<string>): Promise<Found[]> {
  const before = Date.now() - ABANDONED_MS;
  const found: Found[] = [];
  for (const folder of WRITTEN) {
    for (const file of await filesBelow(join(work, folder))) {
      const id = folder === 'builds' ? file.slice(0, file.indexOf('/')) : '';
      if (!UNFINISHED.test(basename(file)) || open.has(id)) continue;
      const at = join(work, folder, file);
      if (((await ifThere(lstat(at)))?.mtimeMs ?? before) < before)
        found.push(whole('unfinished', at, 'its writer was killed'));
    }
  }
  return found;
}
