import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import type { RetractionRecord } from '../build/build-record.ts';
import { type BuildSurvey, insistOnWhole, type StoredBuild, surveyBuilds } from '../build/build-store.ts';
import { isPublished } from '../build/retractions.ts';
import { readCommit } from '../ostree/objects.ts';
import { readTargetRef } from '../publish/heads.ts';
import { fetchCommit } from '../publish/published-objects.ts';
import type { Project } from '../run/project.ts';

/** What is asked for. */
export interface RetractRequest {
  readonly id: string;
  /** Build id of the good night; default: the newest complete one before it with another tree. */
  readonly to: string | undefined;
  readonly reason: string;
}

/** What a retraction would do. */
export interface RetractPlan {
  readonly retraction: RetractionRecord;
  /** Seconds since the epoch: of the newest commit that clients may have, after which they take a next one. */
  readonly after: number;
  /** Promotions that were made of the nights that are taken back. */
  readonly promoted: readonly string[];
}

/**
 * Finds out to what a bad night can be taken back; a dry run and the run itself begin with it. Nothing is changed.
 * @throws NightlyError `usage` when it cannot be, and why; `target-moved`, `target-unreachable`.
 */
export async function planRetract(
  project: Project,
  { id, to, reason }: RetractRequest,
  task: Task,
): Promise<RetractPlan> {
  const survey = await surveyBuilds(project.config.work);
  const { bad, good, between } = chooseBuilds(survey, { id, to }, project.stream.name);
  const commit = bad.meta.ostreeCommit ?? '';
  const { timestamp } = await readCommit(project.repo, commit);
  await Promise.all(project.targets.map((target) => target.check(task)));
  for (const target of project.targets) {
    const there = await readTargetRef(target, project.ref, task);
    if (there === undefined || there === commit) continue;
    const other = await fetchCommit(project.repo, there, target, task);
    if (other.timestamp <= timestamp) continue;
    throw new NightlyError(
      'target-moved',
      `Target "${target.name}" has ${other.version ?? there} at ${project.ref}, which is later than ${id}.`,
      { hint: 'Another machine published it: retract that build there.' },
    );
  }
  const gone = new Set([id, ...between]);
  const promoted = survey.builds.filter(({ meta }) => gone.has(meta.promotion?.of ?? ''));
  return {
    retraction: { of: id, previous: good.meta.buildid, between, reason },
    after: timestamp,
    promoted: promoted.map(({ meta }) => meta.buildid),
  };
}

/**
 * Chooses by the records which build takes the place of the bad one, and which others go with it. Damage to records that are
 * older than it changes nothing (I15).
 * @throws NightlyError `usage` when the bad one cannot be taken back; `record` when a damaged record may say otherwise.
 */
export function chooseBuilds(
  survey: BuildSurvey,
  { id, to }: Pick<RetractRequest, 'id' | 'to'>,
  stream: string,
): { readonly bad: StoredBuild; readonly good: StoredBuild; readonly between: readonly string[] } {
  const all = survey.builds;
  insistOnWhole(survey, id);
  const bad = all.find(({ meta }) => meta.buildid === id);
  if (!bad) throw new NightlyError('bug', `Build ${id} is gone from the work folder.`);
  refuseUnretractable(bad, all);
  const nights = all.filter((one) => one.meta.stream === stream && isPublished(one));
  const newest = nights[0]?.meta.buildid ?? id;
  if (newest !== id) {
    throw new NightlyError('usage', `${id} is not the newest night of "${stream}": ${newest} came after it.`, {
      hint: `Hosts have moved on. If what is wrong is in ${newest} too: "atomic-nightly retract ${newest} --to BUILD" takes back all nights after BUILD.`,
    });
  }
  const good = to === undefined ? newestGood(bad, nights) : named(to, nights);
  insistOnWhole(survey, good?.meta.buildid);
  if (!good) {
    throw new NightlyError('usage', `There is no complete night with another tree before ${id}.`, {
      hint: 'Mend what is wrong and run "atomic-nightly nightly"; or name a night to go back to with --to.',
    });
  }
  const between = nights
    .slice(1, nights.indexOf(good))
    .filter(({ meta }) => meta.retracted === undefined)
    .map(({ meta }) => meta.buildid);
  return { bad, good, between };
}

function refuseUnretractable(bad: StoredBuild, all: readonly StoredBuild[]): void {
  const { meta } = bad;
  const { buildid: id, retracted } = meta;
  const refuse = (what: string, hint: string): never => {
    throw new NightlyError('usage', `${id} ${what}.`, { hint });
  };
  if (meta.release) refuse('is released', `"atomic-nightly release --withdraw ${id}" takes a release back.`);
  if (meta.promotion || meta.withdrawal)
    refuse('is of a release stream', 'Only nights are retracted. Promote another night: it takes its place.');
  const begun = all.find((one) => one.meta.retraction?.of === id)?.meta;
  if (begun && begun.state !== 'complete')
    refuse(`is being retracted by ${begun.buildid}`, `Run "atomic-nightly resume ${begun.buildid}" to continue that.`);
  if (retracted) refuse(`was retracted on ${retracted.at} by ${retracted.by}`, 'Nothing is left to do.');
  if (!isPublished(bad)) refuse('was never published', 'Nobody has it; the next night follows what is published.');
}

/** The newest complete night before a bad one with another tree: a retraction has the tree of another night. */
function newestGood({ meta: bad }: StoredBuild, nights: readonly StoredBuild[]): StoredBuild | undefined {
  return nights.find(
    ({ meta }) =>
      meta.buildid !== bad.buildid &&
      isGood(meta) &&
      (meta.ostreeContentChecksum === undefined || meta.ostreeContentChecksum !== bad.ostreeContentChecksum),
  );
}

function named(id: string, nights: readonly StoredBuild[]): StoredBuild {
  const found = nights.slice(1).find(({ meta }) => meta.buildid === id);
  if (found && isGood(found.meta)) return found;
  throw new NightlyError('usage', `${id} is not a complete night before it that was published and not retracted.`, {
    hint: '"atomic-nightly list" shows the builds there are.',
  });
}

function isGood(meta: StoredBuild['meta']): boolean {
  return meta.state === 'complete' && meta.retracted === undefined && meta.retraction === undefined;
}
