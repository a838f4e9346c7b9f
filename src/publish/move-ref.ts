import { readCommit } from '../ostree/objects.ts';
import type { Target } from '../targets/target.ts';
import type { Task } from '../tools/task.ts';
import { applyPublish } from './apply.ts';
import { fetchCommit } from './published.ts';

/**
 * Points a further ref of a target at a commit whose objects are there already. A ref that names a later commit is left
 * alone: a build that is resumed after the next one must not move it back (I5).
 * @returns whether the ref names the commit now
 * @throws NightlyError `target-moved`, `locked`, `target-unreachable`.
 */
export async function moveRef(
  request: { readonly repo: string; readonly ref: string; readonly commit: string; readonly target: Target },
  task: Task,
): Promise<boolean> {
  const { repo, ref, commit, target } = request;
  const published = await target.read(`repo/refs/heads/${ref}`, task);
  const from = published && new TextDecoder().decode(published).trim();
  if (from !== undefined && from !== commit) {
    const [before, next] = [await fetchCommit(repo, from, target, task), await readCommit(repo, commit)];
    if (before.timestamp > next.timestamp) {
      task.say(`${ref} on ${target.name} names a later commit (${from.slice(0, 12)}) and stays`);
      return false;
    }
  }
  const plan = {
    version: 1,
    target: target.name,
    ref,
    to: commit,
    phases: [],
    ...(from === undefined ? {} : { from }),
  } as const;
  await applyPublish(plan, { repo, target }, task);
  return true;
}
