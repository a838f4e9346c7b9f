import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { type AdvisoriesSince, advisoriesSince } from '../build/advisories-since.ts';
import { LOGGED_FILE } from '../build/build-files.ts';
import type { BuildMeta } from '../build/build-record.ts';
import type { BuildSurvey, StoredBuild } from '../build/build-store.ts';
import { type NextCommand, nextCommands, type StreamNeeds } from '../build/next-commands.ts';
import { type UpstreamRecord, upstreamOrNone } from '../build/upstream-record.ts';
import type { Config } from '../config/config.ts';
import { type TreeFacts, treeFacts } from '../ostree/tree-facts.ts';
import { proofPath, sumsPath } from '../published/paths.ts';
import { streamNeeds } from '../run/stream-needs.ts';
import { type BuildDiff, diffBuilds } from './diff-builds.ts';
import { type FoundChangelogs, findChangelogs } from './find-changelogs.ts';
import { distanceLine } from './known-distance.ts';
import { releaseBefore } from './release-before.ts';

/** What somebody has to know who decides about a build: what hosts get with it, and how far it is. */
export interface Review {
  /** RFC 3339, UTC: when this was found. */
  readonly at: string;
  readonly meta: BuildMeta;
  /** How it stands now. */
  readonly state: string;
  /** What it is compared with; undefined: nothing was released before it. */
  readonly changes?: ReviewedChanges;
  readonly needs: StreamNeeds;
  /** URL of the proof that the release log has its checksums; undefined: it is not logged. */
  readonly proof?: string;
  /** How far it is from upstream, in a line; undefined: there is none to compare with. */
  readonly distance?: string;
  /** What the last comparison with it found; undefined: there was none. */
  readonly upstream?: UpstreamRecord;
  readonly next: readonly NextCommand[];
}

/** What is other than in an earlier build. */
export interface ReviewedChanges {
  readonly since: BuildMeta;
  readonly diff: BuildDiff;
  readonly advisories: AdvisoriesSince;
  readonly changelogs: FoundChangelogs;
  /** Undefined when one of the trees is not here as a whole. */
  readonly facts?: TreeFacts;
}

export interface ReviewRequest {
  readonly build: StoredBuild;
  /** What to compare with; undefined: the last release before it. */
  readonly since: StoredBuild | undefined;
  readonly survey: BuildSurvey;
  /** How the build stands now. */
  readonly state: string;
}

/**
 * Gathers what a review of a build says, from the records and the trees in the work folder.
 * @throws NightlyError `usage` for a build without a commit, `record`, those of the diff.
 */
export async function review(config: Config, request: ReviewRequest, task: Task): Promise<Review> {
  const { build, survey, state } = request;
  const { meta, paths } = build;
  if (meta.ostreeCommit === undefined) {
    throw new NightlyError(
      'usage',
      `Build ${meta.buildid} is ${state} and has no commit: there is nothing to review.`,
      {
        hint: '"atomic-nightly list" shows the builds that have one.',
      },
    );
  }
  const since = request.since ?? releaseBefore(config, survey, build);
  const changes = since && (await changesSince(config, { build, since, survey }, task));
  const needs = streamNeeds(config, meta.stream);
  const upstream = await upstreamOrNone(paths);
  const distance = distanceLine(config, build, upstream);
  const home = config.log && config.targets[config.log.home];
  const logged = home && existsSync(join(paths.dir, LOGGED_FILE));
  return {
    at: new Date().toISOString(),
    meta,
    state,
    ...(changes && { changes }),
    needs,
    ...(distance !== undefined && { distance }),
    ...(upstream && { upstream }),
    ...(logged && { proof: `${home.url}/${proofPath(sumsPath(meta.buildid, meta.basearch))}` }),
    next: nextCommands(meta, state, needs),
  };
}

async function changesSince(
  config: Config,
  { build, since, survey }: { readonly build: StoredBuild; readonly since: StoredBuild; readonly survey: BuildSurvey },
  task: Task,
): Promise<ReviewedChanges> {
  const repo = join(config.work, 'repo');
  const diff = await diffBuilds(repo, since, build);
  const [from, to] = [since.meta.ostreeCommit, build.meta.ostreeCommit];
  // It has counted the files only where both trees are whole.
  const facts = diff.files && from !== undefined && to !== undefined ? await treeFacts(repo, from, to) : undefined;
  return {
    since: since.meta,
    diff,
    advisories: advisoriesSince(
      { build: build.meta, since: since.meta, diff: diff.pkgdiff },
      survey.builds.map((one) => one.meta),
    ),
    changelogs: await findChangelogs(config, build, diff.pkgdiff, task),
    ...(facts && { facts }),
  };
}
