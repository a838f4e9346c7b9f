import { type DiskSpace, diskSpace } from '../base/disk-space.ts';
import { NightlyError } from '../base/errors.ts';
import { formatAge, formatBytes } from '../base/format.ts';
import { quietTask } from '../base/task.ts';
import { ageOf, currentState } from '../build/about-build.ts';
import { type StoredBuild, surveyBuilds } from '../build/build-store.ts';
import { surveyJournal } from '../build/journal.ts';
import { outcomeOf } from '../build/outcomes.ts';
import type { Config, StreamConfig } from '../config/config.ts';
import { lockHolder } from '../run/lock-holder.ts';
import type { LockHolder } from '../run/run-lock.ts';
import { configuredKeys, inspectKey, placeOf } from '../signing/inventory.ts';
import { expiryWarning } from '../signing/key-info.ts';
import { nextMoments, startOf } from './schedule.ts';
import { type Job, readState } from './service-state.ts';

/** Less than this is left: the next compose may not fit. */
const LEAST_FREE = 3 * 2 ** 30;
/** How many periods of its schedule a stream may be without a successful build. */
const PERIODS = 2;

/** How one stream stands. */
export interface StreamStatus {
  readonly stream: string;
  /** Its newest build that has ended. */
  readonly last?: {
    readonly build: string;
    readonly state: string;
    readonly ageSeconds: number;
    readonly why?: string;
  };
  /** The newest successful one: complete, or with nothing to build. */
  readonly good?: { readonly build: string; readonly state: string; readonly ageSeconds: number };
  /** RFC 3339, UTC: when its schedule starts the next build, while the service runs. */
  readonly next?: string;
  /** Targets that lack the newest build with a commit. */
  readonly behind: readonly string[];
}

/** What runs, what is wrong and what comes next: plain JSON. */
export interface Status {
  /** What needs somebody, a sentence each; none: all is well. */
  readonly problems: readonly string[];
  readonly running?: LockHolder;
  /** Builds that the service has begun, or is to begin or to try again. */
  readonly queue: readonly Pick<Job, 'stream' | 'cause' | 'notBefore' | 'failures'>[];
  readonly streams: readonly StreamStatus[];
  /** Bytes of the file system of the work folder; left out before the first run. */
  readonly disk?: DiskSpace;
}

/** Looks at the work folder and the keys of a configuration, and changes nothing. Damage to a record is a problem that is told. */
export async function statusOf(config: Config, now = new Date()): Promise<Status> {
  const [survey, running, disk] = await Promise.all([
    surveyBuilds(config.work),
    lockHolder(config.work),
    diskSpace(config.work),
  ]);
  const streams = await Promise.all(
    Object.values(config.streams).map((stream) => {
      const builds = survey.builds.filter(({ meta }) => meta.stream === stream.name);
      return streamStatus(stream, builds, running !== undefined, now);
    }),
  );
  const { queue, fault } = await queueOf(config.work);
  return {
    problems: [
      ...survey.damaged.map(({ id, error }) => `Build ${id} is damaged: ${error.message}`),
      ...fault,
      ...streams.flatMap((stream) => streamProblems(stream, config.streams[stream.stream]?.schedule)),
      ...diskProblems(disk),
      ...(await keyProblems(config)),
    ],
    ...(running && { running }),
    queue,
    streams,
    ...(disk && { disk }),
  };
}

async function streamStatus(
  { name, targets, schedule }: StreamConfig,
  builds: readonly StoredBuild[],
  held: boolean,
  now: Date,
): Promise<StreamStatus> {
  // What failed must not fall silent while the next one is under way.
  const last = builds.find((build) => currentState(build, held) !== 'running');
  const good = builds.find(({ meta }) => meta.state === 'complete' || meta.state === 'unchanged');
  const made = builds.find(({ meta }) => meta.ostreeCommit !== undefined && meta.state !== 'running');
  const there = made?.meta.published;
  const [moment] = schedule ? nextMoments(schedule, 1) : [];
  return {
    stream: name,
    ...(last && { last: { ...shortly(last, held, now), ...(await whyOf(last)) } }),
    ...(good && { good: shortly(good, held, now) }),
    ...(schedule && moment && { next: startOf(name, schedule, moment).toISOString() }),
    behind: there === undefined ? [] : targets.filter((target) => !there.includes(target)),
  };
}

function shortly(build: StoredBuild, held: boolean, now: Date) {
  const { meta } = build;
  return { build: meta.buildid, state: currentState(build, held), ageSeconds: ageOf(meta, now.getTime()) };
}

/** The first line of what a build failed for. */
async function whyOf({ meta, paths }: StoredBuild): Promise<{ readonly why?: string }> {
  if (!outcomeOf(meta.state)?.bad) return {};
  const { entries } = await surveyJournal(paths.journal);
  const failure = entries.findLast((entry) => entry.event === 'failed');
  if (failure?.event !== 'failed') return {};
  return { why: `${failure.step}: ${failure.message.split('\n')[0]}` };
}

function streamProblems({ stream, last, good, behind }: StreamStatus, schedule: StreamConfig['schedule']): string[] {
  const problems: string[] = [];
  const outcome = last && outcomeOf(last.state);
  if (last && (outcome?.bad || last.state === 'interrupted')) {
    const since = `${stream}: build ${last.build} is ${outcome?.label ?? last.state}, ${formatAge(last.ageSeconds)} old`;
    problems.push(last.why === undefined ? `${since}.` : `${since}: ${last.why}`);
  }
  const [first, second] = schedule ? nextMoments(schedule, 2) : [];
  const limit = first && second ? (PERIODS * (second.getTime() - first.getTime())) / 1000 : undefined;
  if (good && limit !== undefined && good.ageSeconds > limit)
    problems.push(`${stream}: no build has succeeded for ${formatAge(good.ageSeconds)}; the last was ${good.build}.`);
  if (behind.length > 0) problems.push(`${stream}: not published to ${behind.join(', ')} yet.`);
  return problems;
}

function diskProblems(disk: Status['disk']): string[] {
  if (disk === undefined || disk.free >= LEAST_FREE) return [];
  return [
    `${formatBytes(disk.free)} are free for the work folder: a compose needs ${formatBytes(LEAST_FREE)} and more.`,
  ];
}

async function keyProblems(config: Config): Promise<string[]> {
  const found = await Promise.all(
    configuredKeys(config).map(async ({ config: key }) => {
      const info = await inspectKey(key, quietTask());
      if (info instanceof NightlyError) return `Signing: ${placeOf(key)}: ${info.message}`;
      const warning = info.problem ?? expiryWarning(info);
      return warning === undefined ? undefined : `Signing: ${warning}.`;
    }),
  );
  return found.filter((problem) => problem !== undefined);
}

async function queueOf(work: string): Promise<{ queue: Status['queue']; fault: readonly string[] }> {
  try {
    const { jobs } = await readState(work);
    const shown = jobs.map(({ stream, cause, notBefore, failures }) => ({ stream, cause, notBefore, failures }));
    return { queue: shown, fault: [] };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    return { queue: [], fault: [error.message] };
  }
}
