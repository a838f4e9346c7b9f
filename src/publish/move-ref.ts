import { readCommit } from '../ostree/objects.ts';
import type { Task } from '../tools/task.ts';
import type { PublishPlaces } from './apply.ts';
import { EPOCH_PATH } from './epoch.ts';
import { flip } from './flip.ts';
import { fetchCommit } from './published.ts';

/**
 * Points a further ref of a target at a commit whose objects are there already. A ref that names a later commit is left
 * alone: a build that is resumed after the next one must not move it back (I5).
 * @returns whether the ref names the commit now
 * @throws NightlyError `target-moved`, `locked`, `target-unreachable`.
 */
export async function moveRef(
  request: PublishPlaces & { readonly ref: string; readonly commit: string },
  task: Task,
): Promise<boolean> {
  const { repo, ref, commit, target } = request;
  const [published, epoch] = await target.readMany([`repo/refs/heads/${ref}`, EPOCH_PATH], task);
  const from = published && new TextDecoder().decode(published).trim();
  if (from !== undefined && from !== commit) {
    const [before, next] = [await fetchCommit(repo, from, target, task), await readCommit(repo, commit)];
    if (before.timestamp > next.timestamp) {
      task.say(`${ref} on ${target.name} names a later commit (${from.slice(0, 12)}) and stays`);
      return false;
    }
  }
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
  return true;
}
