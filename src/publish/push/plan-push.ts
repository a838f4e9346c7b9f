import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { hasSignature, mergedDetached } from '../../ostree/commit-signatures.ts';
import { readDetached } from '../../ostree/detached.ts';
import { isWhole, type LocalRepo } from '../../ostree/local-repo.ts';
import { checkedObject, localObjects, objectPath, parseCommit, readCommit } from '../../ostree/objects.ts';
import { stageObjects } from '../../ostree/stage-objects.ts';
import { type NewObject, walkNew } from '../../ostree/tree-walk.ts';
import { generateDelta, indexDeltas, pullLocal } from '../../programs/ostree.ts';
import type { Target } from '../../targets/target.ts';
import { refuseAlias } from '../alias-refs.ts';
import { refuseWhileDeleting } from '../epoch.ts';
import { commitIn, type Heads, readHeads } from '../heads.ts';
import { filePhase, objectPhase } from '../publish-phases.ts';
import { deltaPhase, type PublishPlan } from '../publish-plan.ts';
import { summaryRefs } from '../summary.ts';
import { type FarRef, type PushedRef, requireMove } from './pushed-ref.ts';

export interface PushRequest {
  readonly source: LocalRepo;
  readonly target: Target;
  readonly forceOlder: boolean;
  /** Whether a static delta goes along, from what the ref names now, else from scratch. */
  readonly deltas: boolean;
  /** An archive repository, named `repo`, for what is to be sent; it is empty before. */
  readonly staging: string;
  /** Commits that are sent before. */
  readonly coming: ReadonlySet<string>;
}

/** How a ref stands and what moving it takes. */
export interface RefPlan {
  readonly plan: PublishPlan;
  /** What the target published when the plan was made. */
  readonly heads: Heads;
}

/**
 * Finds out what a target lacks of a commit and puts that into the staging repository. The tree is compared with the one the
 * target's ref names where the local repository has that, too; otherwise all of it is staged, and the target itself leaves
 * alone what it has.
 * @throws NightlyError what `requireMove` throws, `ostree` when the commit is not whole, `locked`, `unsupported`.
 */
export async function planPush(one: PushedRef, request: PushRequest, task: Task): Promise<RefPlan> {
  const { source, target, staging } = request;
  const { ref, commit } = one;
  const heads = await readHeads(target, ref, task);
  refuseAlias(ref, heads.links, target);
  refuseWhileDeleting(heads.epoch, target);
  const from = commitIn(heads.ref, ref, target);
  const far = from === undefined ? undefined : { commit: from, timestamp: await timeOf(from, request, task) };
  const info = await readCommit(source.path, commit);
  requireMove(one, info, far, { ...request, place: `Target "${target.name}"` });
  const read = localObjects(source.path);
  const there = new Set([...request.coming, ...listedIn(heads.summary)]);
  const base = [commit, from, info.parent].find((each) => each !== undefined && (each === from || there.has(each)));
  const fresh: AsyncIterable<NewObject> =
    base === commit ? commitAlone(commit) : walkNew(commit, base, { readNew: read, readOld: read });
  const objects = await objectPhase(staging, stageObjects(source, staging, fresh, task), task);
  const phases = [objects, await commitPhase(one, far, request, task)];
  const isComing = request.coming.has(commit);
  if (request.deltas && from !== commit && !isComing) phases.push(await freshDelta(commit, from, request, task));
  const plan: PublishPlan = {
    version: 2,
    target: target.name,
    ref,
    to: commit,
    from,
    ...(heads.epoch === undefined ? {} : { epoch: new TextDecoder().decode(heads.epoch) }),
    phases: isComing ? [] : phases.filter(({ paths }) => paths.length > 0),
  };
  return { plan, heads };
}

/** The commits that a summary names: they are there as a whole (I1). */
function listedIn(summary: Uint8Array | undefined): Iterable<string> {
  try {
    return summary ? summaryRefs(summary).values() : [];
  } catch {
    // Refused when it is to be changed.
    return [];
  }
}

async function* commitAlone(commit: string): AsyncGenerator<NewObject> {
  yield { checksum: commit, type: 'commit', path: objectPath(commit, 'commit') };
}

/** Seconds since the epoch; undefined when the commit is neither here nor there. */
async function timeOf(commit: string, { source, target }: PushRequest, task: Task): Promise<number | undefined> {
  const local = await localObjects(source.path)(commit, 'commit');
  const bytes = local ?? (await target.read(`repo/${objectPath(commit, 'commit')}`, task));
  if (!bytes) return undefined;
  return parseCommit(commit, checkedObject(bytes, commit, 'commit', target.describe())).timestamp;
}

/** The commit with its detached metadata; what the target has of that stays, signatures above all. */
async function commitPhase(
  { ref, commit }: PushedRef,
  far: FarRef | undefined,
  { source, staging, target }: PushRequest,
  task: Task,
) {
  const path = objectPath(commit, 'commitmeta');
  const mine = await readDetached(source.path, commit);
  const paths = [path, ...(far === undefined ? [] : [objectPath(far.commit, 'commitmeta')])];
  const [theirs, before] = await target.readMany(
    paths.map((one) => `repo/${one}`),
    task,
  );
  const both = mine && theirs ? merged(mine, theirs, `${path} on target "${target.name}"`) : (mine ?? theirs);
  requireSigned({ ref, commit, now: both, before }, target);
  const isDue = both !== undefined && !(theirs && Buffer.from(both).equals(theirs));
  if (isDue) await writeFileAtomic(join(staging, path), both);
  const isThere = far?.commit === commit;
  return filePhase('commit', staging, [...(isDue ? [path] : []), ...(isThere ? [] : [objectPath(commit, 'commit')])]);
}

/** Clients that verify would take no commit any more (I2). */
function requireSigned(
  one: {
    readonly ref: string;
    readonly commit: string;
    readonly now: Uint8Array | undefined;
    readonly before: Uint8Array | undefined;
  },
  target: Target,
): void {
  if (!hasSignature(one.before) || hasSignature(one.now)) return;
  throw new NightlyError(
    'signing',
    `Target "${target.name}" has a signed commit at ${one.ref}, and ${one.commit.slice(0, 12)} is not signed: clients that verify would refuse it.`,
    { hint: 'Sign it: "ostree gpg-sign" or "ostree sign"; then push again.' },
  );
}

function merged(mine: Uint8Array, theirs: Uint8Array, place: string): Uint8Array {
  try {
    return mergedDetached(mine, theirs);
  } catch (error) {
    throw new NightlyError('ostree', `${place}, or the same here, is not the detached metadata of a commit.`, {
      hint: 'Sign the commit again: "ostree gpg-sign".',
      cause: error,
    });
  }
}

async function freshDelta(to: string, from: string | undefined, { source, staging }: PushRequest, task: Task) {
  const start = from !== undefined && isWhole(source, from) ? from : undefined;
  for (const commit of start === undefined ? [to] : [start, to]) {
    await pullLocal({ from: source.path, to: staging, commit }, task);
  }
  await generateDelta({ repo: staging, to, from: start }, task);
  await indexDeltas(staging, to, task);
  return deltaPhase(staging, to, [start]);
}
