import type { Task } from '../base/task.ts';
import { readCommit } from '../ostree/objects.ts';
import { flip } from './flip.ts';
import { commitIn, type Heads, readHeads } from './heads.ts';
import type { PublishPlaces } from './publish-places.ts';
import type { PublishPlan } from './publish-plan.ts';
import { fetchCommit } from './published-objects.ts';

export interface RefMove extends PublishPlaces {
  readonly ref: string;
  readonly commit: string;
}

/**
 * Points a further ref of a target at a commit whose objects are there already. A ref that names a later commit is left
 * alone: a build that is resumed after the next one must not move it back (I5).
 * @returns whether the ref names the commit now
 * @throws NightlyError `target-moved`, `locked`, `target-unreachable`.
 */
export async function moveRef(request: RefMove, task: Task): Promise<boolean> {
  const { repo, ref, commit, target } = request;
  const heads = await readHeads(target, ref, task);
  const from = commitIn(heads.ref, ref, target);
  if (from !== undefined && from !== commit) {
    const [before, next] = [await fetchCommit(repo, from, target, task), await readCommit(repo, commit)];
    if (before.timestamp > next.timestamp) {
      task.say(`${ref} on ${target.name} names a later commit (${from.slice(0, 12)}) and stays`);
      return false;
    }
  }
  await flipFrom(heads, request, task);
  return true;
}

/**
 * Points a ref of a target at a commit whose objects are all there, whatever it names now, and has the summary and its
 * signature follow.
 * @throws NightlyError `target-moved`, `locked`, `signing`, `target-unreachable`.
 */
export async function setRef(request: RefMove, task: Task): Promise<void> {
  await flipFrom(await readHeads(request.target, request.ref, task), request, task);
}

async function flipFrom(heads: Heads, request: RefMove, task: Task): Promise<void> {
  const { ref, commit, target } = request;
  const [from, epoch] = [textOf(heads.ref), heads.epoch && new TextDecoder().decode(heads.epoch)];
  const plan: PublishPlan = {
    version: 2,
    target: target.name,
    ref,
    to: commit,
    phases: [],
    from,
    epoch,
  };
  await flip(plan, { ...request, heads }, task);
}

const textOf = (content: Uint8Array | undefined): string | undefined =>
  content && new TextDecoder().decode(content).trim();
