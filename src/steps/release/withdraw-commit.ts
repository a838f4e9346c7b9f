import type { Task } from '../../base/task.ts';
import { writeRewritten } from '../../ostree/rewrite-commit.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';

/** In the commit that takes a release's place: the build id of that release. */
const WITHDRAWS = 'atomic-nightly.withdraws';

/**
 * Writes the commit that takes the place of a bad release: the tree of the release before it, but later than the bad one
 * and on top of it, since clients refuse to go back in time. No ref moves.
 * @param commits of the bad release and of the one before it
 * @returns the commit
 * @throws NightlyError `ostree` when the release before it is not here.
 */
export async function withdrawalCommit(
  { repo }: Project,
  { id, timestamp }: Build,
  { bad, of, previous }: { readonly bad: string; readonly of: string; readonly previous: string },
  task: Task,
): Promise<string> {
  const text = (value: string) => ({ type: 's', value });
  const metadata = { version: text(id), [WITHDRAWS]: text(of) };
  const commit = await writeRewritten(repo, previous, { parent: bad, timestamp, metadata });
  task.say(`commit ${commit}`);
  return commit;
}
