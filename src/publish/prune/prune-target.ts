import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inBatches } from '../../base/batches.ts';
import { makeFolder, writeFileAtomic } from '../../base/files.ts';
import { formatBytes, formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { type EntryOf, formatEntry, loggedUrl } from '../../published/log-entry.ts';
import { beginDeleting, type DeletingLock, EPOCH_PATH, parseEpoch } from '../epoch.ts';
import type { PruneRequest } from './decide.ts';
import { forgetBuilds } from './prune-builds.ts';
import { type Amount, freedLater, hasRemovals, type PrunePlan, planPrune, totalOf, withFiles } from './prune-plan.ts';
import { writeRetired } from './prune-state.ts';
import { tombstone, tombstonePath } from './tombstone.ts';

export interface PruneResult {
  readonly plan: PrunePlan;
  /** Only of a dry run: what goes once the grace period of all that is given up has passed. */
  readonly later?: Amount;
}

/** Returns what a prune would do. Nothing is written. @throws as `pruneTarget`. */
export async function dryPrune(request: PruneRequest, task: Task): Promise<PruneResult> {
  const plan = await withFiles(await planPrune(request, task), request, task);
  return { plan, later: await freedLater(plan, request, task) };
}

/**
 * Prunes a target: commits that its retention does not keep are given up now, and removed once they have been for the
 * grace period. A prune that finds nothing to do writes nothing; one that was killed is finished by the next.
 * @throws NightlyError `config`, `ostree` when it must stop (I8), `locked` while another prune deletes there.
 */
export async function pruneTarget(request: PruneRequest, task: Task): Promise<PruneResult> {
  const { target } = request;
  const first = await planPrune(request, task);
  await writeRetired(first.decision.state.retired, first.decision.marked, request, task);
  const killed = parseEpoch(await target.read(EPOCH_PATH, task), target).deleting !== undefined;
  if (!hasRemovals(first) && !killed) {
    await rememberBuilds(first, request, task);
    return { plan: first };
  }
  const lock = await beginDeleting(target, task);
  let plan: PrunePlan;
  try {
    plan = await removeDue(request, lock, task);
  } catch (error) {
    // What went wrong first is what counts; without the end, the next prune takes over.
    await lock.end(task).catch(() => task.say(`could not end the prune of ${target.name}; the next one will`));
    throw error;
  }
  await lock.end(task);
  return { plan };
}

async function removeDue(request: PruneRequest, lock: DeletingLock, task: Task): Promise<PrunePlan> {
  const { target } = request;
  // Again: somebody may have published until a moment ago, and nobody can from now on.
  const plan = await withFiles(await planPrune(request, task), request, task);
  await lock.check(task);
  if (hasRemovals(plan)) await request.log.before([formatEntry(pruneEntry(plan, target.publicUrl))], target, task);
  await forgetBuilds(plan.builds, target, task, request);
  await removeFiles(plan, request, lock, task);
  const { state, removed } = plan.decision;
  await writeRetired(state.retired, { ...removed, builds: plan.builds.marks }, request, task);
  return plan;
}

/** What the log says of what goes. */
function pruneEntry({ decision, builds }: PrunePlan, publicUrl: string): EntryOf<'prune'> {
  const gone = new Map<string, Set<'images' | 'logs'>>();
  for (const { path } of builds.files) {
    const [, id = '', arch = '', what] = path.split('/');
    const key = `${id}/${arch}`;
    gone.set(key, (gone.get(key) ?? new Set()).add(what === 'logs' ? 'logs' : 'images'));
  }
  return {
    kind: 'prune',
    // A place that was named by hand may have no URL.
    ...(URL.canParse(publicUrl) ? { target: loggedUrl(publicUrl) } : {}),
    commits: [...decision.goes.keys()],
    builds: [...gone].map(([key, parts]) => {
      const [id = '', arch = ''] = key.split('/');
      return { id, arch, gone: [...parts] };
    }),
  };
}

/** Builds that had nothing to remove when they came of age need not be looked at again. */
async function rememberBuilds({ decision, builds }: PrunePlan, request: PruneRequest, task: Task): Promise<void> {
  await writeRetired(decision.marked, { ...decision.marked, builds: builds.marks }, request, task);
}

/** Files removed at once. */
const BATCH = 5000;

/** Between two looks whether another pruner took over, which it may after a day. */
const CHECK_EVERY_MS = 60_000;

/**
 * Removes what a plan names. Each commit is first replaced by a tombstone, then its record goes, then what only it
 * needs: whoever follows parents finds either a whole commit or the end of the history.
 */
async function removeFiles(plan: PrunePlan, request: PruneRequest, lock: DeletingLock, task: Task): Promise<void> {
  const { target } = request;
  await placeTombstones([...plan.decision.goes.keys()], request, task);
  const total = totalOf(plan.stages);
  let done = 0;
  let checked = performance.now();
  for (const { paths } of plan.stages) {
    for (const batch of inBatches(paths(), BATCH)) {
      if (performance.now() - checked > CHECK_EVERY_MS) {
        await lock.check(task);
        checked = performance.now();
      }
      await target.remove(batch, task);
      done += batch.length;
      task.progress(done, total.files, 'files');
    }
  }
  if (total.files > 0) {
    const amount = `${formatCount(plan.decision.goes.size, 'commit')}, ${formatCount(total.files, 'file')}, ${formatBytes(total.bytes)}`;
    task.say(`removed ${amount} from ${target.describe()}`);
  }
}

async function placeTombstones(commits: readonly string[], request: PruneRequest, task: Task): Promise<void> {
  if (commits.length === 0) return;
  await makeFolder(request.scratchDir);
  const folder = await mkdtemp(join(request.scratchDir, 'tombstones-'));
  try {
    const paths = commits.map((commit) => `repo/${tombstonePath(commit)}`);
    for (const [index, commit] of commits.entries()) {
      await writeFileAtomic(join(folder, paths[index] ?? ''), tombstone(commit));
    }
    await request.target.send(folder, paths, { immutable: true }, task);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
