import type { Task } from '../../base/task.ts';
import { ID_FILES } from '../../ostree/seed-repo.ts';
import { catFile } from '../../programs/ostree.ts';

/**
 * Returns the commit whose users and groups keep their ids when a nightly build's tree is made again: the one it followed, or
 * the build's own where that has been pruned; the latter has the same ids, but may have them in another order.
 */
export async function commitWithIds(
  repo: string,
  { parent, commit }: { readonly parent: string | undefined; readonly commit: string },
  task: Task,
): Promise<string | undefined> {
  if (parent === undefined) return undefined;
  for (const path of ID_FILES) if ((await catFile(repo, parent, path, task)) !== undefined) return parent;
  task.say(
    `the commit before the nightly build, ${parent.slice(0, 12)}, was pruned: ids are taken from the nightly build itself`,
  );
  return commit;
}
