import type { Task } from '../../base/task.ts';
import { writeRewritten } from '../../ostree/rewrite-commit.ts';
import { RETRACTS } from '../../publish/publish-plan.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';

/** Metadata keys of the commit that takes the place of a bad one: they hold the build id of that one. */
const WHAT = { withdraws: 'atomic-nightly.withdraws', retracts: RETRACTS } as const;

/**
 * Writes the commit that takes the place of a bad release or night: the tree of a good one before it, but later than the
 * bad one and on top of it, since clients refuse to go back in time. No ref moves.
 * @param commits of the bad build and of the good one before it
 * @returns the commit
 * @throws NightlyError `ostree` when the good one is not here.
 */
export async function commitBack(
  { repo }: Project,
  { id, timestamp }: Build,
  how: keyof typeof WHAT,
  { bad, of, previous }: { readonly bad: string; readonly of: string; readonly previous: string },
  task: Task,
): Promise<string> {
  const text = (value: string) => ({ type: 's', value });
  const metadata = { version: text(id), [WHAT[how]]: text(of) };
  const commit = await writeRewritten(repo, previous, { parent: bad, timestamp, metadata });
  task.say(`commit ${commit}`);
  return commit;
}
