import { basename, dirname, resolve } from 'node:path';
import { inBatches } from '../base/batches.ts';
import { NightlyError } from '../base/errors.ts';
import { formatBytes, formatCount } from '../base/format.ts';
import type { Task } from '../base/task.ts';
import type { SendGroup } from '../targets/target.ts';
import { flip } from './flip.ts';
import type { PublishPhase } from './publish-phases.ts';
import { planSize } from './publish-phases.ts';
import type { PublishPlaces } from './publish-places.ts';
import type { PublishPlan } from './publish-plan.ts';

/** Files sent at a time: as many as fit into memory, with what targets note of each, and take minutes all the same. */
const TOGETHER = 50_000;

/**
 * Carries out a plan. The order is what keeps readers safe (I1): content and folders, the commit with its deltas, and only
 * then the ref and the summary, by one small compare-and-swap. Every part may be repeated, so after a kill the same call
 * goes on.
 * @throws NightlyError `target-moved`, `locked`, `unsupported`, `signing`, and what the target's `send` throws.
 */
export async function applyPublish(plan: PublishPlan, places: PublishPlaces, task: Task): Promise<void> {
  const { repo, target, sent } = places;
  const root = resolve(repo);
  // Targets keep relative paths, and on every target the repository is repo/.
  if (basename(root) !== 'repo') throw new NightlyError('bug', `The local repository ${repo} is not named "repo".`);
  const { files: total, bytes } = planSize(plan);
  if (total > 0) task.say(`${formatCount(total, 'file')}, ${formatBytes(bytes)} to ${target.describe()}`);
  if (total <= TOGETHER && target.sendInOrder) {
    await target.sendInOrder(dirname(root), [...groupsOf(plan)], task);
  } else {
    let done = 0;
    for (const { paths, immutable } of groupsOf(plan)) {
      const before = done;
      const within: Task = { ...task, progress: (count) => task.progress(before + count, total, 'objects') };
      await target.send(dirname(root), paths, { immutable, sent }, within);
      done += paths.length;
      task.progress(done, total, 'objects');
    }
  }
  await flip(plan, places, task);
}

/** Returns what is sent one after the other, of no more than `TOGETHER` files each. */
function* groupsOf({ phases }: PublishPlan): Iterable<SendGroup> {
  // Signatures are added to an existing file later on, a delta may be made again: there the size alone says nothing.
  for (const immutable of [true, false]) {
    const some = phases.filter(({ name }) => (name === 'objects') === immutable);
    for (const paths of inBatches(pathsOf(some), TOGETHER)) yield { paths, immutable };
  }
}

function* pathsOf(phases: readonly PublishPhase[]): Iterable<string> {
  for (const { paths } of phases) for (const path of paths) yield `repo/${path}`;
}
