import { type DiskSpace, diskSpace } from '../base/disk-space.ts';
import { NightlyError } from '../base/errors.ts';
import { formatAge, formatBytes } from '../base/format.ts';
import { gistOf } from '../base/one-line.ts';
import { quietTask } from '../base/task.ts';
import { ageOf, currentState } from '../build/about-build.ts';
import { type BuildList, buildList } from '../build/build-list.ts';
import type { BuildMeta } from '../build/build-record.ts';
import { type BuildPaths, type DamagedBuild, surveyBuilds } from '../build/build-store.ts';
import { continueHint, isForGood } from '../build/continue-hint.ts';
import { type JournalEntry, surveyJournal } from '../build/journal.ts';
import { outcomeOf } from '../build/outcomes.ts';
import type { Config, StreamConfig } from '../config/config.ts';
import { lockHolder } from '../run/lock-holder.ts';
import type { LockHolder } from '../run/run-lock.ts';
import { configuredKeys, inspectKey, placeOf } from '../signing/inventory.ts';
import { expiryWarning } from '../signing/key-info.ts';
import { otherProblems } from './other-problems.ts';
import { type Problem, problemOf } from './problem.ts';
import { lateAfter, nextMoments, startOf } from './schedule.ts';
import { type Job, readState } from './service-state.ts';

/** Less than this is left: the next compose may not fit. */
const LEAST_FREE = 3 * 2 ** 30;

/** How one stream stands. */
export interface StreamStatus {
  readonly stream: string;
  /** Its newest build that has ended. */
  readonly last?: {
    readonly build: string;
    readonly state: string;
    readonly ageSeconds: number;
    readonly why?: string;
    /** The step that failed: its log has more. */
    readonly step?: string;
  };
  /** Where `last` needs somebody: the oldest of the builds in a row that do, and how many they are. */
  readonly failing?: { readonly build: string; readonly ageSeconds: number; readonly builds: number };
  /** The newest successful one: complete, or with nothing to build. */
  readonly good?: { readonly build: string; readonly state: string; readonly ageSeconds: number };
  /** RFC 3339, UTC: when its schedule starts the next build, while the service runs. */
  readonly next?: string;
  /** Targets that lack the newest build with a commit. */
  readonly behind: readonly string[];
  /** What needs somebody here, a sentence each; also among those of the whole. */
  readonly problems: readonly string[];
}

/** What runs, what is wrong and what comes next: plain JSON. */
export interface Status {
  /** What needs somebody, a sentence each; none: all is well. */
  readonly problems: readonly string[];
  /** What to do about each of them, in the same order. */
  readonly nextSteps: readonly Problem[];
  readonly running?: LockHolder;
  /** Builds that the service has begun, or is to begin or to try again. */
  readonly queue: readonly Pick<Job, 'stream' | 'cause' | 'notBefore' | 'failures'>[];
  readonly streams: readonly StreamStatus[];
  /** Bytes of the file system of the work folder; left out before the first run. */
  readonly disk?: DiskSpace;
}

/** A build as the judgement needs it. */
export interface JudgedBuild {
  readonly paths: Pick<BuildPaths, 'journal'>;
  readonly meta: Omit<BuildMeta, 'pkgdiff'>;
  /** How it stands now. */
  readonly state: string;
}

/** What a configuration is judged by: `statusOf` reads it all, pages have most of it at hand. */
export interface StatusMaterial {
  readonly builds: BuildList<JudgedBuild>;
  readonly damaged: readonly DamagedBuild[];
  readonly running: LockHolder | undefined;
  readonly disk: DiskSpace | undefined;
  readonly journal: (path: string) => Promise<readonly JournalEntry[]>;
  /** What `standingProblems` found. */
  readonly standingProblems: readonly Problem[];
}

/** Looks at the work folder and the keys of a configuration, and changes nothing. Damage to a record is a problem that is told. */
export async function statusOf(config: Config, now = new Date()): Promise<Status> {
  const [survey, running, disk, standing] = await Promise.all([
    surveyBuilds(config.work),
    lockHolder(config.work),
    diskSpace(config.work),
    standingProblems(config, now),
  ]);
  const builds = survey.builds.map((build) => ({ ...build, state: currentState(build, running !== undefined) }));
  const journal = async (path: string) => (await surveyJournal(path)).entries;
  return judge(
    config,
    { builds: buildList(builds), damaged: survey.damaged, running, disk, journal, standingProblems: standing },
    now,
  );
}

/** Judges what was found in a work folder: the command `status`, the first line of the overview and the API say the same. */
export async function judge(config: Config, found: StatusMaterial, now = new Date()): Promise<Status> {
  const { running, disk } = found;
  const judged = await Promise.all(
    Object.values(config.streams).map((stream) =>
      streamStatus(stream, found.builds.of(stream.name), found.journal, now),
    ),
  );
  const { queue, fault } = await queueOf(config.work);
  const nextSteps = [
    ...found.damaged.map(({ id, error }) => problemOf(error, `Build ${id} is damaged: `)),
    ...fault,
    ...judged.flatMap(({ problems }) => problems),
    ...diskProblems(disk),
    ...found.standingProblems,
  ];
  return {
    problems: nextSteps.map(({ problem }) => problem),
    nextSteps,
    ...(running && { running }),
    queue,
    streams: judged.map(({ status }) => status),
    ...(disk && { disk }),
  };
}

async function streamStatus(
  { name, targets, schedule }: StreamConfig,
  builds: readonly JudgedBuild[],
  journal: StatusMaterial['journal'],
  now: Date,
): Promise<{ readonly status: StreamStatus; readonly problems: readonly Problem[] }> {
  // What failed must not fall silent while the next one is under way.
  const ended = builds.filter(({ state }) => state !== 'running');
  const [last] = ended;
  const good = builds.find(({ meta }) => meta.state === 'complete' || meta.state === 'unchanged');
  const made = builds.find(({ meta }) => meta.ostreeCommit !== undefined && meta.state !== 'running');
  const there = made?.meta.published;
  const [moment] = schedule ? nextMoments(schedule, 1) : [];
  const status = {
    stream: name,
    ...(last && { last: { ...shortly(last, now), ...(await whyOf(last, journal)) } }),
    ...failingOf(ended, now),
    ...(good && { good: shortly(good, now) }),
    ...(schedule && moment && { next: startOf(name, schedule, moment).toISOString() }),
    behind: there === undefined ? [] : targets.filter((target) => !there.includes(target)),
  };
  const problems = [
    ...failureProblems(status, last),
    ...lateProblems(status, schedule),
    ...behindProblems(status, made?.meta.buildid),
  ];
  return { status: { ...status, problems: problems.map(({ problem }) => problem) }, problems };
}

function shortly({ meta, state }: JudgedBuild, now: Date) {
  return { build: meta.buildid, state, ageSeconds: ageOf(meta, now.getTime()) };
}

const needsSomebody = (state: string): boolean => outcomeOf(state)?.bad === true || state === 'interrupted';

/** @param ended newest first */
function failingOf(ended: readonly JudgedBuild[], now: Date): Pick<StreamStatus, 'failing'> {
  const good = ended.findIndex(({ state }) => !needsSomebody(state));
  const row = good === -1 ? ended : ended.slice(0, good);
  const first = row.at(-1);
  if (!first) return {};
  const { build, ageSeconds } = shortly(first, now);
  return { failing: { build, ageSeconds, builds: row.length } };
}

/** What a build failed for, on one line, with the step. */
async function whyOf(
  { meta, paths }: JudgedBuild,
  journal: StatusMaterial['journal'],
): Promise<{ readonly why?: string; readonly step?: string }> {
  if (!outcomeOf(meta.state)?.bad) return {};
  const failure = (await journal(paths.journal)).findLast((entry) => entry.event === 'failed');
  if (failure?.event !== 'failed') return {};
  return { why: `${failure.step}: ${gistOf(failure.message)}`, step: failure.step };
}

type Judged = Omit<StreamStatus, 'problems'>;

function failureProblems({ stream, last, failing }: Judged, build: JudgedBuild | undefined): Problem[] {
  if (!last || !failing || !build) return [];
  const label = outcomeOf(last.state)?.label ?? last.state;
  const row =
    failing.builds > 1
      ? `, the last of ${failing.builds} in a row since ${failing.build} (${formatAge(failing.ageSeconds)} ago)`
      : '';
  const since = `${stream}: build ${last.build} is ${label}, ${formatAge(last.ageSeconds)} old${row}`;
  const hint = continueHint(last.state === 'interrupted' ? { ...build.meta, state: 'interrupted' } : build.meta);
  const log = `"atomic-nightly log ${last.build}${last.step === undefined ? '' : ` ${last.step}`}" shows what happened.`;
  return [
    {
      problem: last.why === undefined ? `${since}.` : `${since}: ${last.why}`,
      nextStep: isForGood(build.meta) && build.meta.retracted === undefined ? hint : `${log} ${hint}`,
    },
  ];
}

function lateProblems({ stream, good }: Judged, schedule: StreamConfig['schedule']): Problem[] {
  const limit = schedule && lateAfter(schedule);
  if (!good || limit === undefined || good.ageSeconds <= limit) return [];
  return [
    {
      problem: `${stream}: no build has succeeded for ${formatAge(good.ageSeconds)}; the last was ${good.build}.`,
      nextStep: `"atomic-nightly list --stream ${stream}" shows what there was since; where there is nothing, look whether "atomic-nightly serve" runs.`,
    },
  ];
}

function behindProblems({ stream, behind }: Judged, build: string | undefined): Problem[] {
  if (behind.length === 0 || build === undefined) return [];
  return [
    {
      problem: `${stream}: not published to ${behind.join(', ')} yet.`,
      nextStep: `"atomic-nightly publish ${build} --dry-run" shows what is missing there; without --dry-run it is published.`,
    },
  ];
}

function diskProblems(disk: Status['disk']): Problem[] {
  if (disk === undefined || disk.free >= LEAST_FREE) return [];
  return [
    {
      problem: `${formatBytes(disk.free)} are free for the work folder: a compose needs ${formatBytes(LEAST_FREE)} and more.`,
      nextStep: '"atomic-nightly gc --dry-run" shows what nobody needs any more; "atomic-nightly gc" deletes it.',
    },
  ];
}

/** What is wrong beside builds: with signing keys, and what audits, syncs and rebuilds left to a person. */
export async function standingProblems(config: Config, now = new Date()): Promise<Problem[]> {
  return (await Promise.all([keyProblems(config), otherProblems(config, now)])).flat();
}

async function keyProblems(config: Config): Promise<Problem[]> {
  const nextStep = '"atomic-nightly keys show" shows all keys; docs/signing.md says how one is extended or replaced.';
  const found = await Promise.all(
    configuredKeys(config).map(async ({ config: key }): Promise<Problem[]> => {
      const info = await inspectKey(key, quietTask());
      if (info instanceof NightlyError) return [{ problem: `Signing: ${placeOf(key)}: ${info.message}`, nextStep }];
      const warning = info.problem ?? expiryWarning(info);
      return warning === undefined ? [] : [{ problem: `Signing: ${warning}.`, nextStep }];
    }),
  );
  return found.flat();
}

async function queueOf(work: string): Promise<{ queue: Status['queue']; fault: readonly Problem[] }> {
  try {
    const { jobs } = await readState(work);
    const shown = jobs.map(({ stream, cause, notBefore, failures }) => ({ stream, cause, notBefore, failures }));
    return { queue: shown, fault: [] };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    return { queue: [], fault: [problemOf(error)] };
  }
}
