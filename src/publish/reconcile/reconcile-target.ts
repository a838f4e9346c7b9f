import { basename, dirname, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import type { Target } from '../../targets/target.ts';
import { EPOCH_PATH, parseEpoch } from '../epoch.ts';
import { publicFiles } from '../verify/public-http.ts';
import { compareBuilds } from './reconcile-builds.ts';
import { planLines, type ReconcilePlan, type Unrepairable } from './reconcile-plan.ts';
import { compareRefs } from './reconcile-refs.ts';
import { compareRepo, type RepoComparison } from './reconcile-repo.ts';
import { IN_BUILD } from './records-there.ts';
import { listRepo } from './repo-listing.ts';

export interface ReconcileRequest {
  /** The local repository, `work/repo`; `builds/` is beside it. */
  readonly repo: string;
  readonly target: Target;
  /** Whether commits are published there. Default: yes. */
  readonly tree?: boolean;
  /** Refs of the streams that publish there. */
  readonly refs: readonly string[];
  /** The commits that further refs name, where the target has lost them. */
  readonly heads?: ReadonlyMap<string, string>;
  /** Names of those streams. */
  readonly streams: readonly string[];
  /** Names of streams whose builds come there once they are released. */
  readonly releasesOf?: readonly string[];
  /** Whether the summary must have a signature. */
  readonly signed: boolean;
  /** Whether a signature is one over that summary. Without it, that there is one is enough. */
  readonly isSigned?: (summary: Uint8Array, signature: Uint8Array) => Promise<boolean>;
  /** Names of what lacks a signature of some key, for the plan. */
  readonly unsigned?: readonly string[];
  /** Names of what the release log has no entry of. */
  readonly unlogged?: readonly string[];
  /** Public keys there that are not those that the streams sign with. */
  readonly oldKeys?: readonly string[];
  /** What lacks a signature and gets none from here. */
  readonly unvouched?: readonly Unrepairable[];
  /** Read everything back over the public URL and compare contents, not only sizes. */
  readonly checksums: boolean;
  /** Judges what the target has before it decides anything; without it, all is believed. */
  readonly trust?: RecordTrust | undefined;
  /** Seconds that images stay published; undefined: for ever. */
  readonly imagesSeconds?: number | undefined;
}

/** What is made anew by those who make it in a publish. */
export interface ReconcileRepairs {
  /** Sets a ref, with the summary and its signature; the commit and all it needs are there. */
  readonly flip: (ref: string, commit: string) => Promise<void>;
  /** Logs builds as they are here, before any of their files are sent (I17). @param builds `ID/ARCH` */
  readonly log: (builds: ReadonlySet<string>) => Promise<void>;
  /** Adds builds to `builds/builds.json`, which may not exist. */
  readonly index: (builds: ReconcilePlan['index']) => Promise<void>;
}

/**
 * How ostree remembers that a commit is not whole, as `ostree fsck` writes it when it finds damage. It never takes that back,
 * and refuses to serve such a commit to a pull from the same machine (ostree-repo.c, `_ostree_get_commitpartial_path`).
 */
const PARTIAL = /^repo\/state\/([0-9a-f]{64})\.commitpartial$/;

/**
 * Finds out what a target lacks of what its refs, its commits and its builds need, with one listing of `repo` and one of
 * `builds`, and what of it the work folder can give back. Nothing is changed.
 * @throws NightlyError `locked` while somebody prunes the target.
 */
export async function planReconcile(request: ReconcileRequest, task: Task): Promise<ReconcilePlan> {
  const { target, refs, heads, streams, releasesOf, signed, isSigned, checksums, trust, tree = true } = request;
  const { imagesSeconds } = request;
  const repo = resolve(request.repo);
  if (basename(repo) !== 'repo') throw new NightlyError('bug', `The local repository ${repo} is not named "repo".`);
  const epoch = await readEpoch(target, task);
  const files = checksums ? { files: publicFiles(target.publicUrl, task.signal) } : {};
  task.say(`listing ${target.describe()}`);
  const listing = await listRepo(target, task);
  const found = await compareRefs(
    { repo, target, listed: listing.refs, refs, streams, signed, heads, isSigned, trust },
    task,
  );
  const contents = await compareRepo({ repo, listing, named: found.commits.values(), ...files }, task);
  const hasCommit = (commit: string): boolean =>
    !tree || contents.commits.has(commit) || listing.objects.bytesOf(commit, 'commit') !== undefined;
  const imagesSince = imagesSeconds === undefined ? undefined : Date.now() / 1000 - imagesSeconds;
  const builds = await compareBuilds(
    { work: dirname(repo), target, hasCommit, imagesSince, ...files, releasesOf, trust },
    task,
  );
  const { flips, refused } = await wholeFlips(found.flips, contents);
  const damaged = [...(flips.length > 0 ? found.remove : []), ...builds.remove];
  return {
    version: 1,
    target: target.name,
    tree,
    epoch: epoch && new TextDecoder().decode(epoch),
    phases: [...contents.phases, ...builds.phases],
    remove: [
      ...damaged.map((path) => ({ path, why: 'damaged, or without a good signature, and made again' })),
      ...(await partialMarks(listing.files.keys(), contents)),
    ],
    sign: request.unsigned ?? [],
    keys: request.oldKeys ?? [],
    log: request.unlogged ?? [],
    flips,
    index: builds.index,
    unrepairable: [
      ...found.unrepairable,
      ...contents.unrepairable,
      ...builds.unrepairable,
      ...refused,
      ...(request.unvouched ?? []),
    ],
    foreign: [...listing.foreign, ...builds.foreign],
    unneeded: contents.unneeded,
    looked: { commits: contents.commits.size, objects: contents.objects, files: listing.files.size + builds.files },
  };
}

/** Separates the refs whose commit will be whole on the target from those that must not be set. */
async function wholeFlips(
  found: ReconcilePlan['flips'],
  { isWhole }: RepoComparison,
): Promise<Pick<ReconcilePlan, 'flips'> & { readonly refused: readonly Unrepairable[] }> {
  const flips: ReconcilePlan['flips'][number][] = [];
  const refused: Unrepairable[] = [];
  for (const flip of found) {
    if (await isWhole(flip.commit)) flips.push(flip);
    else {
      const hint = 'Make the commit whole in the local repository, then run again.';
      refused.push({ what: `ref ${flip.ref}`, why: `${flip.why}, and its commit cannot be made whole`, hint });
    }
  }
  return { flips, refused };
}

/** Returns the marks of commits that were not whole and are again, to be removed. */
async function partialMarks(paths: Iterable<string>, { isWhole }: RepoComparison): Promise<ReconcilePlan['remove']> {
  const marks: ReconcilePlan['remove'][number][] = [];
  for (const path of paths) {
    const [, commit] = PARTIAL.exec(path) ?? [];
    if (commit !== undefined && (await isWhole(commit)))
      marks.push({ path, why: 'the commit is whole again, and clients on that machine may pull it' });
  }
  return marks;
}

/**
 * Carries out a plan, in the order of a publish: objects, signatures, commits, deltas, refs with the summary, signatures
 * of files, images, records, index. Every part may be repeated, so after a kill the repair is simply begun again.
 * @throws NightlyError `target-moved` when somebody pruned the target meanwhile, and what `send` and the repairs throw.
 */
export async function applyReconcile(
  plan: ReconcilePlan,
  { repo, target }: { readonly repo: string; readonly target: Target },
  repairs: ReconcileRepairs,
  task: Task,
): Promise<void> {
  const root = dirname(resolve(repo));
  const send = async (names: readonly string[]): Promise<void> => {
    for (const { name, files } of plan.phases) {
      if (!names.includes(name) || files.length === 0) continue;
      if (name === 'commits') await refusePruned(plan, target, task);
      task.say(`${files.length} ${name}`);
      const missing = files.filter(({ why }) => why === 'missing').map(({ path }) => path);
      // What is there in a damaged state must be replaced, whatever its size.
      const damaged = files.filter(({ why }) => why !== 'missing').map(({ path }) => path);
      const immutable = ['objects', 'commits', 'deltas', 'images'].includes(name);
      if (missing.length > 0) await target.send(root, missing, { immutable }, task);
      if (damaged.length > 0) await target.send(root, damaged, { immutable: false }, task);
    }
  };
  await send(['objects', 'signatures', 'commits', 'deltas', 'delta indexes']);
  await repairs.log(buildsIn(plan, OF_BUILDS));
  if (plan.remove.length > 0)
    await target.remove(
      plan.remove.map(({ path }) => path),
      task,
    );
  for (const { ref, commit } of plan.flips) await repairs.flip(ref, commit);
  await send(OF_BUILDS);
  if (plan.index.length > 0) await repairs.index(plan.index);
}

/** Phases that send files of builds. */
const OF_BUILDS = ['signatures of files', 'images', 'records'];

/** Returns the builds whose files these phases send, as `ID/ARCH`. */
function buildsIn({ phases }: ReconcilePlan, names: readonly string[]): Set<string> {
  const files = phases.filter(({ name }) => names.includes(name)).flatMap((phase) => phase.files);
  return new Set(files.flatMap(({ path }) => IN_BUILD.exec(path)?.[1] ?? []));
}

/**
 * Repairs a damaged or half-lost target from the work folder: plans, says what it found, and applies.
 * @returns the plan that was carried out
 */
export async function reconcileTarget(
  request: ReconcileRequest,
  repairs: ReconcileRepairs,
  task: Task,
): Promise<ReconcilePlan> {
  const plan = await planReconcile(request, task);
  for (const line of planLines(plan)) task.say(line);
  await applyReconcile(plan, request, repairs, task);
  return plan;
}

async function readEpoch(target: Target, task: Task): Promise<Uint8Array | undefined> {
  const content = await target.read(EPOCH_PATH, task);
  const { deleting } = parseEpoch(content, target);
  if (!deleting) return content;
  throw new NightlyError(
    'locked',
    `Target "${target.name}" is being pruned since ${deleting.since}: process ${deleting.pid} on ${deleting.host}.`,
    { hint: 'Wait for the prune to end; "atomic-nightly prune" there continues one that was killed.' },
  );
}

/** A commit that a prune has taken away meanwhile must not come back without its objects. */
async function refusePruned(plan: ReconcilePlan, target: Target, task: Task): Promise<void> {
  const epoch = await readEpoch(target, task);
  if ((epoch && new TextDecoder().decode(epoch)) === plan.epoch) return;
  throw new NightlyError('target-moved', `Target "${target.name}" was pruned since it was looked at.`, {
    hint: 'Run the repair again.',
  });
}
