import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { inParallel } from '../base/parallel.ts';
import type { ContentPlan } from '../content/content-plan.ts';
import { type TagState, tagFolder, writeTagState } from '../content/tag-state.ts';
import { openLogGate } from '../publish/log/release-log.ts';
import type { Runner } from '../run/runner.ts';
import { keptSigner } from '../signing/kept.ts';
import type { Signer } from '../signing/signer.ts';
import { formerPlaces, stillThere, type TargetFolder } from '../steps/content/left-folders.ts';
import {
  makeTagRepository,
  type RepositoryContents,
  type TagRepository,
  tagRepositories,
} from '../steps/content/make-repositories.ts';
import {
  type PlacedRepository,
  placed,
  publishable,
  pushRepository,
  retireRepository,
  settleRepository,
  verifyRepository,
} from '../steps/content/push-repository.ts';
import { type MadeChange, recordChange } from '../steps/content/record-change.ts';
import { refuseMoved } from '../steps/content/refuse-moved.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { type PreparedContent, prepareContent, signerOf, type TagContent } from './prepare-content.ts';
import { type Pool, signedPool, unsignedPool } from './tag-packages.ts';

/** What became of a tag. */
export interface ContentOutcome {
  readonly tag: string;
  /** `made`: all was signed, made and checked, and nothing sent. */
  readonly state: 'published' | 'made' | 'unchanged';
  readonly event: number;
  readonly added: number;
  readonly removed: number;
  readonly blocked: ContentPlan['blocked'];
  /** Where it was published before its rule named another place. */
  readonly left: readonly TargetFolder[];
}

/**
 * Makes the repositories of a tag equal to it (C1), a step a line. Every step finds out what is done already, so that the same
 * again after a kill ends the same (C7).
 * @throws NightlyError `gate-failed` when more would be removed than is allowed; `koji`, `package-missing`, `signing`, `verify`,
 *   those of the targets.
 */
export async function syncContent(of: TagContent, runner: Runner): Promise<ContentOutcome> {
  const { assigned, config, content, hub, now, push } = of;
  const signer = signerOf(of);
  // Signatures in packages are kept with these; those of metadata by themselves.
  const kept = keptSigner(signer, join(config.work, 'content', 'signatures'));
  const folder = tagFolder(config.work, assigned.tag);
  const prepared = await runner.step('plan', {}, (task) => prepareContent(of, signer, task));
  if (prepared.plan.refused !== undefined) throw refusal(prepared.plan);
  const places = tagRepositories(assigned, contentsOf(prepared), new Map(), folder);
  if (push && !of.acceptRemovals) await refuseMoved(places, { tag: assigned.tag, folder });
  if (isDone(prepared, of)) {
    const left = await noteUnchanged(of, prepared, { folder, places }, runner);
    return outcome('unchanged', prepared, left);
  }
  const pool = await (assigned.level === 'release'
    ? signedPool(of, prepared, signer, runner)
    : unsignedPool(of, prepared.plan.wanted, runner));
  const all = tagRepositories(assigned, { ...prepared.plan, former: formerArches(prepared) }, pool, folder).map((one) =>
    placed(one, targetOf(of, one), folder),
  );
  const making = { signer: kept, event: prepared.snapshot.event, keepSeconds: content.keepSeconds, now };
  const repositories = await runner.step('repositories', {}, (task) =>
    inTurn(all, async (one) => {
      const repository = push ? await publishable(one, now, task) : one;
      return { ...repository, repomd: (await makeTagRepository(repository, making, task)).repomd };
    }),
  );
  const waiting = push ? await publish(of, prepared, { repositories, pool, signer, folder }, runner) : 0;
  const left = await leftBehind(of, places, prepared, runner);
  const change = changeOf(of, prepared, pool, { waiting, ...(left.length > 0 && { left }) });
  await runner.step('record', {}, () =>
    recordChange(folder, { ...change, repositories: repositories.map(asRecorded) }, hub),
  );
  return outcome(push ? 'published' : 'made', prepared, left);
}

const asRecorded = ({ target, folder, repomd }: TagRepository & { readonly repomd: string }) => ({
  target,
  folder,
  repomd,
});

/** Sends repositories to their targets, uses them as clients do, and removes what left long ago. @returns files that still wait */
async function publish(
  of: TagContent,
  { plan, before, snapshot, settings }: PreparedContent,
  { repositories, pool, signer, folder }: Made,
  runner: Runner,
): Promise<number> {
  const { config, assigned, now } = of;
  const log = await openLogGate(config);
  const places = { log, scratch: join(folder, 'scratch'), now, asOf: Math.floor(snapshot.event.ts) };
  const sent = await runner.step('push', {}, (task) =>
    inTurn(repositories, async (one) => ({ ...one, ...(await pushRepository(one, places, task)) })),
  );
  await runner.step('verify', {}, async (task) => {
    // What was only made before, or published in another place, is as new there as all the rest.
    const isThere = before?.pushed === true && before.settings === settings;
    const rpms = plan.wanted.filter(({ file }) => !isThere || plan.add.includes(file));
    const client = { rpms, pool, key: await signer.clientKey(task), gpgcheck: assigned.level === 'release' };
    const changed = sent.filter((one) => one.changed);
    await inParallel(changed, { atATime: AT_A_TIME, signal: task.signal }, (one, signal) =>
      verifyRepository(one, client, { ...task, signal }),
    );
  });
  // The clients above took seconds; whoever had read the old repomd.xml has its signature by now.
  await runner.step('settle', {}, (task) =>
    inTurn(
      sent.filter(({ changed }) => changed),
      (one) => settleRepository(one, task),
    ),
  );
  return retire(of, repositories, runner);
}

interface Made {
  readonly repositories: readonly PlacedRepository[];
  readonly pool: Pool;
  readonly signer: Signer;
  readonly folder: string;
}

function targetOf({ config }: TagContent, { target: name }: TagRepository): Target {
  const target = config.targets[name];
  if (!target) throw new RangeError(`the configuration passed its checks without the target ${name}`);
  return openTarget(target);
}

/** Nothing is made, but what left earlier is removed when its time is over. The next time only later changes are asked for. */
async function noteUnchanged(
  of: TagContent,
  prepared: PreparedContent,
  { folder, places }: { readonly folder: string; readonly places: readonly TagRepository[] },
  runner: Runner,
): Promise<readonly TargetFolder[]> {
  const { before, snapshot, plan } = prepared;
  if (!before) return [];
  let { waiting } = before;
  if (waiting > 0 && of.push) {
    const repositories = places.map((one) => placed(one, targetOf(of, one), folder));
    waiting = await retire(of, repositories, runner);
  }
  const left = await leftBehind(of, places, prepared, runner);
  const { left: _, ...known } = before;
  await writeTagState(folder, {
    ...known,
    event: snapshot.event.id,
    since: snapshot.since,
    blocked: [...plan.blocked],
    waiting,
    looked: of.now,
    ...(left.length > 0 && { left: [...left] }),
  });
  return left;
}

/** Returns the repositories that the tag has left behind; what was found last where nothing is sent. */
async function leftBehind(
  { config, assigned, push }: TagContent,
  places: readonly TargetFolder[],
  { before }: PreparedContent,
  runner: Runner,
): Promise<readonly TargetFolder[]> {
  if (!push) return before?.left ?? [];
  const former = await formerPlaces(config.work, assigned.tag, places);
  return former.length === 0 ? [] : runner.step('left', {}, (task) => stillThere(former, config, task));
}

/** @returns how many files still wait */
async function retire(
  { content, now }: TagContent,
  repositories: readonly PlacedRepository[],
  runner: Runner,
): Promise<number> {
  const keep = { keepSeconds: content.keepSeconds, now };
  const waiting = await runner.step('retire', {}, (task) =>
    inTurn(repositories, (one) => retireRepository(one, keep, task)),
  );
  return waiting.reduce((sum, count) => sum + count, 0);
}

/** What tells where the repositories of a tag are, without packages. */
const contentsOf = (prepared: PreparedContent): RepositoryContents => ({
  ...{ arches: prepared.plan.arches, former: formerArches(prepared) },
  wanted: [],
});

/** Architectures that the tag had once and has no more. */
function formerArches({ before, plan }: PreparedContent): string[] {
  const once = [...(before?.arches ?? []), ...(before?.formerArches ?? [])];
  return [...new Set(once)].filter((arch) => !plan.arches.includes(arch));
}

/** Whether what was made last is what would be made now. */
function isDone({ before, plan, settings }: PreparedContent, { push }: TagContent): boolean {
  if (before === undefined || before.settings !== settings || (push && !before.pushed)) return false;
  if (before.arches.join() !== plan.arches.join()) return false;
  return plan.add.length === 0 && plan.remove.length === 0 && plan.sign.length === 0;
}

function refusal({ tag, refused = '' }: ContentPlan): NightlyError {
  return new NightlyError('gate-failed', `${tag} is left as it is: ${refused}.`, {
    hint: 'Look at the tag in koji. If it is meant so, "atomic-nightly content sync TAG --accept-removals" does it.',
  });
}

function outcome(
  state: ContentOutcome['state'],
  { plan }: PreparedContent,
  left: readonly TargetFolder[],
): ContentOutcome {
  const { tag, event, add, remove, blocked } = plan;
  return { tag, state, event, added: add.length, removed: remove.length, blocked, left };
}

/** Clients that look at repositories at the same time. */
const AT_A_TIME = 4;

async function inTurn<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

function changeOf(
  { assigned, push, now }: TagContent,
  prepared: PreparedContent,
  pool: Pool,
  found: { readonly waiting: number; readonly left?: readonly TargetFolder[] },
): Omit<MadeChange, 'repositories'> {
  const { before, snapshot, plan, key, settings } = prepared;
  const packages = plan.wanted.map(({ file, payloadhash, build }) => ({
    ...{ file, payloadhash, build: build.nvr },
    sha256: pool.get(payloadhash)?.sha256 ?? '',
  }));
  const after: TagState = {
    ...{
      version: 1,
      tag: assigned.tag,
      tagId: snapshot.tagId,
      event: snapshot.event.id,
      since: snapshot.since,
      settings,
    },
    ...{ arches: [...plan.arches], formerArches: formerArches(prepared), packages, blocked: [...plan.blocked] },
    ...{ pushed: push, at: now, waiting: found.waiting, looked: now },
    ...(found.left && { left: [...found.left] }),
  };
  return { level: assigned.level, key: key.fingerprint, pushed: push, snapshot, before, after };
}
