import { readCommit } from '../ostree/objects.ts';
import type { Task } from '../tools/task.ts';
import type { PublishPlaces } from './apply.ts';
import { EPOCH_PATH } from './epoch.ts';
import { flip } from './flip.ts';
import { fetchCommit } from './published.ts';

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
  const from = await refAt(request, task);
  if (from !== undefined && from !== commit) {
    const [before, next] = [await fetchCommit(repo, from, target, task), await readCommit(repo, commit)];
    if (before.timestamp > next.timestamp) {
      task.say(`${ref} on ${target.name} names a later commit (${from.slice(0, 12)}) and stays`);
      return false;
    }
  }
  await setRef(request, task);
  return true;
}

/**
 * Points a ref of a target at a commit whose objects are all there, whatever it names now, and has the summary and its
 * signature follow.
 * @throws NightlyError `target-moved`, `locked`, `signing`, `target-unreachable`.
 */
export async function setRef(request: RefMove, task: Task): Promise<void> {
  const { ref, commit, target } = request;
  const [from, epoch] = [await refAt(request, task), await target.read(EPOCH_PATH, task)];
  await flip(
    {
      version: 2,
      target: target.name,
      ref,
      to: commit,
      phases: [],
      ...(from === undefined ? {} : { from }),
      ...(epoch === undefined ? {} : { epoch: new TextDecoder().decode(epoch) }),
    },
    request,
    task,
  );
}

async function refAt({ ref, target }: RefMove, task: Task): Promise<string | undefined> {
  const content = await target.read(`repo/refs/heads/${ref}`, task);
  return content && new TextDecoder().decode(content).trim();
}
