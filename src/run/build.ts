import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { writeFileAtomic } from '../base/files.ts';
import type { BuildMeta } from '../build/build-record.ts';
import { buildMetaText } from '../build/build-record-format.ts';
import {
  type BuildPaths,
  buildPaths,
  findBuild,
  insistOnWhole,
  readMeta,
  reserveBuildId,
  type StoredBuild,
  surveyBuilds,
} from '../build/build-store.ts';
import { readJournal } from '../build/journal.ts';
import { isDatedAhead } from '../build/retractions.ts';
import type { CheckedClock } from './clock.ts';
import type { Project } from './project.ts';

/** One build a run works on. */
export interface Build {
  readonly id: string;
  readonly paths: BuildPaths;
  /** Seconds since the epoch, fixed when the id was reserved: the commit's time and every "now" inside the tree. */
  readonly timestamp: number;
}

/**
 * Reserves an id and writes the first record of the build.
 * @param clock by which it is made, checked
 * @param more further values for that record
 * @param after it is dated later than this, seconds since the epoch, whatever the clock says
 */
export async function reserveBuild(
  project: Project,
  { builds, published }: CheckedClock,
  more: Partial<BuildMeta> = {},
  after?: number,
): Promise<Build> {
  const { config, stream, ref } = project;
  const now = buildTimestamp();
  const timestamp = Math.max(nextCommitTime(project, builds, now), after === undefined ? now : after + 1);
  const id = await reserveBuildId(config.work, new Date(now * 1000), published);
  const paths = buildPaths(config.work, id, stream.arch);
  await mkdir(paths.dir);
  const meta: BuildMeta = {
    name: config.name,
    buildid: id,
    basearch: stream.arch,
    ref,
    ostreeTimestamp: new Date(timestamp * 1000).toISOString(),
    stream: stream.name,
    state: 'running',
    treefileDigest: project.definition,
    ...more,
  };
  await writeFileAtomic(paths.meta, buildMetaText(meta));
  return { id, paths, timestamp };
}

/**
 * The time of a stream's next commit, seconds since the epoch: now, or just after its last commit where that was dated ahead
 * on purpose. It was when a night from the future was taken back: whatever follows must be later than what clients have.
 */
export function nextCommitTime(
  { stream }: Pick<Project, 'stream'>,
  builds: readonly StoredBuild[],
  now: number,
): number {
  // Where the newest is damaged, a date ahead of it is refused by the seed, which has the commit itself.
  const newest = builds.find(({ meta }) => meta.stream === stream.name && meta.ostreeCommit !== undefined);
  if (!newest || !isDatedAhead(newest.meta)) return now;
  return Math.max(now, reopenBuild(newest).timestamp + 1);
}

/** SOURCE_DATE_EPOCH when it is set (reproducible-builds.org/specs/source-date-epoch), else now. */
function buildTimestamp(): number {
  const fixed = process.env['SOURCE_DATE_EPOCH'];
  if (fixed === undefined) return Math.floor(Date.now() / 1000);
  if (/^\d+$/.test(fixed)) return Number(fixed);
  throw new NightlyError('usage', `SOURCE_DATE_EPOCH is "${fixed}", not a number of seconds.`, {
    hint: 'Unset it, or set it to the output of "date +%s".',
  });
}

/** Opens a build of an earlier run to continue it. */
export function reopenBuild({ paths, meta }: StoredBuild): Build {
  return { id: meta.buildid, paths, timestamp: Date.parse(meta.ostreeTimestamp) / 1000 };
}

/**
 * Finds the build to resume: the named one, or the newest that did not succeed.
 * @throws NightlyError `not-found` when there is none, `usage` when the named one is finished, `record` when it is damaged.
 */
export async function findUnfinished(workDir: string, id: string | undefined): Promise<StoredBuild> {
  if (id !== undefined) {
    const build = await findBuild(workDir, id);
    if (!(await isFinished(build))) return build;
    throw new NightlyError('usage', `Build ${id} is ${build.meta.state}; nothing is left to do.`, {
      hint: `Run "atomic-nightly show ${id}" to see it.`,
    });
  }
  const survey = await surveyBuilds(workDir);
  const [newest] = survey.builds;
  insistOnWhole(survey, newest?.paths.id);
  if (newest && !(await isFinished(newest))) return newest;
  throw new NightlyError('not-found', `No unfinished build to resume: the newest one is finished.`, {
    hint: 'Name a build to resume an older one; "atomic-nightly list" shows them with their state.',
  });
}

/** Whether another machine made a build, and this one has its records from a target: only images can be made of it here. */
export function isFetched({ fetched }: BuildPaths): boolean {
  return existsSync(fetched);
}

/** Returns the path of the journal of a build's release, which is there once the release has begun. */
export const releaseJournal = ({ release }: BuildPaths): string => join(release, 'journal.ndjson');

/**
 * A released build never changes, nor one whose release has begun.
 * @throws NightlyError `usage`
 */
export function refuseFrozen({ id, paths }: Build): void {
  if (!existsSync(releaseJournal(paths))) return;
  throw frozenError(
    id,
    `"atomic-nightly release ${id}" continues a release that was interrupted; for anything else, promote its nightly build again.`,
  );
}

/**
 * A night that was taken back stays as it is: nothing of it is offered again.
 * @throws NightlyError `usage`
 */
export async function refuseRetracted({ paths }: Build): Promise<void> {
  refuseRetractedMeta(await readMeta(paths));
}

/** The same by a record. @throws NightlyError `usage` */
export function refuseRetractedMeta({ buildid: id, retracted }: BuildMeta): void {
  if (retracted === undefined) return;
  throw new NightlyError('usage', `Build ${id} was retracted by ${retracted.by}: ${retracted.reason}`, {
    hint: `Its files stay where they are, and nobody is led to them. "atomic-nightly show ${retracted.by}" shows what took its place.`,
  });
}

/** Returns what to throw when somebody would change a build that is released, or whose release has begun. */
export function frozenError(
  id: string,
  hint = 'Promote its nightly build again: "atomic-nightly promote".',
): NightlyError {
  return new NightlyError('usage', `Build ${id} is released, or its release has begun: it never changes any more.`, {
    hint,
  });
}

/**
 * The journal knows: the record says `complete` a little earlier, because it is published before the last
 * steps.
 */
export async function isFinished({ paths }: StoredBuild): Promise<boolean> {
  const last = (await readJournal(paths.journal)).at(-1);
  return last?.event === 'end' && ['complete', 'unchanged'].includes(last.state);
}
