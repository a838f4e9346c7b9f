import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, isErrno } from '../../base/files.ts';
import { readRecordIfGood, recordFormat } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { isUnreadable } from '../../base/unreadable.ts';
import { buildPaths, listBuildIds, surveyBuild, surveyBuilds } from '../../build/build-store.ts';
import { insistOnWholeTags, surveyTags, type TagSurvey, tagsOf, whileTagsStay } from '../../build/build-tags.ts';
import type { Config, TargetConfig } from '../../config/config.ts';
import { getsTree } from '../../config/lookup.ts';
import { openLogGate } from '../../publish/log/release-log.ts';
import type { TaggedBuild } from '../../publish/prune/decide.ts';
import { commitReader, readHistory } from '../../publish/prune/history.ts';
import { totalOf } from '../../publish/prune/prune-plan.ts';
import { pruneRepo } from '../../publish/prune/prune-repo.ts';
import { readTargetState } from '../../publish/prune/prune-state.ts';
import { dryPrune, type PruneResult, pruneTarget } from '../../publish/prune/prune-target.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import { type Project, targetSigner } from '../../run/project.ts';
import { openTarget } from '../../targets/open-target.ts';
import type { Target } from '../../targets/target.ts';
import { targetsClock } from '../compose/clock.ts';
import { recordTrust } from './record-trust.ts';

export interface PruneOptions {
  readonly dryRun: boolean;
  /** Seconds since the epoch. Default: this machine's clock, which must not be in doubt. */
  readonly now?: number;
}

/**
 * Prunes one target of a configuration by its retention, and returns with it the builds that stay for their tags.
 * @throws NightlyError `config` when it has none, `clock` for a clock in doubt, `record` for a damaged tag (then nothing is removed),
 * and what `pruneTarget` throws.
 */
export async function pruneConfigured(
  config: Config,
  target: Target,
  options: PruneOptions,
  task: Task,
): Promise<PruneResult & { readonly tagged: readonly TaggedBuild[] }> {
  return whileTagsStay(
    config.work,
    async (tags) => {
      const tagged = await taggedBuilds(config.work, tags);
      return { ...(await pruneBy(config, target, { ...options, tagged }, task)), tagged };
    },
    task,
  );
}

async function pruneBy(
  config: Config,
  target: Target,
  { dryRun, now: asked, tagged }: PruneOptions & { readonly tagged: readonly TaggedBuild[] },
  task: Task,
): Promise<PruneResult> {
  const { name } = target;
  const retention = config.targets[name]?.retention;
  if (!retention) {
    throw new NightlyError('config', `Target "${name}" has no retention, so nothing there is ever removed.`, {
      hint: `Set in targets.${name}.retention what stays, for instance: refs: {'*': {depth: 30}}`,
      place: config.placeOf('targets', name),
    });
  }
  const now = asked ?? (await targetsClock(config, task.signal));
  const signer = dryRun ? undefined : targetSigner(config, name);
  // Before anything goes, not in the middle of it.
  await signer?.check(task);
  const trust = recordTrust(config, name, task);
  const request = {
    target,
    retention,
    hasTree: getsTree(config, name),
    repo: join(config.work, 'repo'),
    scratchDir: join(config.work, 'scratch'),
    now,
    trust,
    signer,
    promoted: await ownPromotions(config.work),
    tagged,
    log: await openLogGate(config),
  };
  return dryRun ? dryPrune(request, task) : pruneTarget(request, task);
}

/** Prunes a target that a build was published to. */
export async function prunePublished({ config }: Project, target: Target, task: Task): Promise<void> {
  try {
    await taggedBuilds(config.work, await surveyTags(config.work));
  } catch (error) {
    if (!(error instanceof NightlyError && error.code === 'record')) throw error;
    // The build that is just published is none the worse for it (I15).
    task.say(`nothing is deleted from ${target.name}: ${error.message}`);
    return;
  }
  const { plan } = await pruneConfigured(config, target, { dryRun: false }, task);
  if (totalOf(plan.stages).files === 0) task.say(`nothing to delete from ${target.name} yet`);
}

/** The commits of nights that were promoted here: whatever a target says of them, they stay (I8). */
async function ownPromotions(work: string): Promise<string[]> {
  const { builds } = await surveyBuilds(work);
  const nights = new Set(builds.flatMap(({ meta }) => meta.promotion?.of ?? []));
  return builds.flatMap(({ meta }) => (nights.has(meta.buildid) ? (meta.ostreeCommit ?? []) : []));
}

/** The builds with a tag, and their commits. @throws NightlyError `record` when it is not known which these are (I8) */
async function taggedBuilds(work: string, tags: TagSurvey): Promise<TaggedBuild[]> {
  insistOnWholeTags(tags);
  const ids = [...new Set(tags.tags.map(({ build }) => build))];
  return Promise.all(
    ids.map(async (id) => {
      const { builds, damaged } = await surveyBuild(work, id);
      if (damaged[0]) throw damaged[0].error;
      return { id, commits: builds.flatMap(({ meta }) => meta.ostreeCommit ?? []), tags: tagsOf(tags, id) };
    }),
  );
}

/** Commits that a dry run found would go, keyed by target. */
export type WouldGo = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Removes from the local repository what no target of the configuration has any more. Commits of builds that may still
 * be resumed, or have a tag, stay. Call it after the targets were pruned.
 * @throws NightlyError when it cannot be found out what a target has; then nothing is removed.
 */
export async function pruneLocalRepo(
  config: Config,
  { dryRun, wouldGo }: { readonly dryRun: boolean; readonly wouldGo: WouldGo },
  task: Task,
): Promise<Awaited<ReturnType<typeof pruneRepo>>> {
  const repo = join(config.work, 'repo');
  if (!existsSync(join(repo, 'objects'))) return { commits: [], files: 0, bytes: 0 };
  return whileTagsStay(
    config.work,
    async (tags) => {
      const tagged = await taggedBuilds(config.work, tags);
      const wanted = new Set([...(await resumableCommits(config.work)), ...tagged.flatMap(({ commits }) => commits)]);
      await addPublished(wanted, config, { repo, wouldGo }, task);
      return pruneRepo({ repo, wanted, dryRun }, task);
    },
    task,
  );
}

/** Adds the commits that targets have. */
async function addPublished(
  wanted: Set<string>,
  config: Config,
  { repo, wouldGo }: { readonly repo: string; readonly wouldGo: WouldGo },
  task: Task,
): Promise<void> {
  for (const target of Object.values(config.targets)) {
    for (const commit of await commitsOn(target, { repo, trust: recordTrust(config, target.name, task) }, task)) {
      if (!wouldGo.get(target.name)?.has(commit)) wanted.add(commit);
    }
  }
}

/** Returns every commit that a target has, or may take back: those that are given up but not removed as well. */
async function commitsOn(
  config: TargetConfig,
  places: { readonly repo: string; readonly trust: RecordTrust | undefined },
  task: Task,
): Promise<Set<string>> {
  const target = openTarget(config);
  // Nothing was published there yet.
  if ((await target.readMany(['repo/config', 'repo/summary'], task)).every((file) => file === undefined))
    return new Set();
  const { refs, retired, promoted } = await readTargetState(target, { ...places, now: Date.now() / 1000 }, task);
  const read = commitReader(places.repo, target, task);
  const found = new Set([...Object.keys(retired.commits), ...Object.keys(retired.apart), ...Object.keys(promoted)]);
  for (const [ref, commits] of refs) {
    for (const commit of commits) {
      for (const { checksum } of (await readHistory(ref, commit, read, target)).commits) found.add(checksum);
    }
  }
  for (const commit of await read([...found])) if (commit?.promotionOf) found.add(commit.promotionOf);
  return found;
}

/** All that tells whether a build may still be continued. */
const STATE = recordFormat({ schema: z.looseObject({ 'atomic-nightly.state': z.string() }), hint: '' });

/** Commits that the records and journals of unfinished builds mention; a record that is damaged may be of one (I8). */
async function resumableCommits(work: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (const id of await listBuildIds(work)) {
    for (const arch of (await ifThere(readdir(join(work, 'builds', id)))) ?? []) {
      const { meta, journal } = buildPaths(work, id, arch);
      const record = await textIfReadable(meta);
      const state = readRecordIfGood(record, STATE)?.state;
      if (record === undefined || state === 'complete' || state === 'unchanged') continue;
      const text = `${record}\n${(await textIfReadable(journal)) ?? ''}`;
      for (const [checksum] of text.matchAll(/\b[0-9a-f]{64}\b/g)) found.add(checksum);
    }
  }
  return found;
}

async function textIfReadable(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isUnreadable(error)) return '';
    throw error;
  }
}
