import type { Task } from '../../base/task.ts';
import { localObjects, objectPath, type ReadObject } from '../../ostree/objects.ts';
import type { Target, TargetFile } from '../../targets/target.ts';
import { publishedObjects, readPublic } from '../published-objects.ts';
import { decidePrune, type PruneDecision, type PruneRequest } from './decide.ts';
import { type BuildsPlan, planBuilds } from './prune-builds.ts';
import { deltasTo } from './prune-deltas.ts';
import { loneObjects, type ReadTree, reachableObjects, type TreeRoot, treesOf } from './prune-objects.ts';
import { type FileGroup, fileGroup, objectGroups } from './sizes.ts';

/** Everything a prune of a target does, as data: a dry run prints it, `removeFiles` carries it out. */
export interface PrunePlan {
  readonly decision: PruneDecision;
  readonly builds: BuildsPlan;
  /** Removed in this order, each whole before the next. */
  readonly stages: readonly PruneStage[];
}

export interface PruneStage {
  readonly name: 'images and logs' | 'commits' | 'deltas' | 'content' | 'folders';
  readonly files: number;
  /** What is known of their sizes. */
  readonly bytes: number;
  /** Relative to the target's root. */
  paths(): Iterable<string>;
}

/** Files and bytes. */
export interface Amount {
  readonly files: number;
  readonly bytes: number;
}

/** Commits and builds, without what files that comes to: costs a few requests. Nothing is written. */
export async function planPrune(request: PruneRequest, task: Task): Promise<PrunePlan> {
  const decision = await decidePrune(request, task);
  return { decision, builds: await planBuilds(request, decision, task), stages: [] };
}

/** Whether files are to be removed. */
export function hasRemovals({ decision, builds }: PrunePlan): boolean {
  return decision.goes.size > 0 || builds.files.length > 0 || builds.unlisted.length > 0;
}

/**
 * Returns the plan with the files to remove. Walks every commit that stays, once, so that what they need is known.
 * @throws NightlyError when one of them cannot be read whole: then nothing is removed (I8).
 */
export async function withFiles(plan: PrunePlan, request: PruneRequest, task: Task): Promise<PrunePlan> {
  const { goes, stays, waits } = plan.decision;
  const { repo, target } = request;
  const stages: PruneStage[] = [];
  const add = (name: PruneStage['name'], found: readonly TargetFile[]): void => {
    if (found.length === 0) return;
    const bytes = found.reduce((sum, file) => sum + file.bytes, 0);
    stages.push({ name, files: found.length, bytes, paths: () => found.map(({ path }) => path) });
  };
  const addGroup = (name: PruneStage['name'], { files, bytes, paths }: FileGroup): void => {
    stages.push({ name, files, bytes, paths: () => inRoot(paths()) });
  };
  add('images and logs', plan.builds.files);
  if (goes.size > 0) {
    const commits = [...goes.keys()];
    addGroup('commits', await fileGroup(commits.flatMap(commitFiles), repo, task));
    const { lists, parts } = await deltasTo(new Set(commits), target, task);
    add('deltas', lists);
    add('deltas', parts);
    const lone = await objectsOf([...goes.values()], [...stays.values(), ...waits.values()], request, task);
    const { content, folders } = await objectGroups(lone, repo, task);
    for (const group of content) addGroup('content', group);
    for (const group of folders) addGroup('folders', group);
  }
  return { ...plan, stages };
}

/** Returns what will be freed once every commit that is given up has gone, without deltas and images. */
export async function freedLater(plan: PrunePlan, request: PruneRequest, task: Task): Promise<Amount> {
  const { goes, stays, waits } = plan.decision;
  if (waits.size === 0) return { files: 0, bytes: 0 };
  const lone = await objectsOf([...goes.values(), ...waits.values()], [...stays.values()], request, task);
  const { content, folders } = await objectGroups(lone, request.repo, task);
  const records = [...goes.keys(), ...waits.keys()].flatMap(commitFiles);
  return totalOf([await fileGroup(records, request.repo, task), ...content, ...folders]);
}

/** Files and bytes of several. */
export function totalOf(amounts: readonly Amount[]): Amount {
  const add = (sum: Amount, { files, bytes }: Amount): Amount => ({
    files: sum.files + files,
    bytes: sum.bytes + bytes,
  });
  return amounts.reduce(add, { files: 0, bytes: 0 });
}

function* inRoot(paths: Iterable<string>): Iterable<string> {
  for (const path of paths) yield `repo/${path}`;
}

async function objectsOf(goes: readonly TreeRoot[], stays: readonly TreeRoot[], request: PruneRequest, task: Task) {
  const { repo, target } = request;
  const staying = await reachableObjects(
    stays,
    treesOf(publishedObjects(repo, target, task)),
    { partial: false },
    task,
  );
  return loneObjects(goes, staying, treeIfThere(localObjects(repo), target, task), task);
}

/** Folders of commits to go: an earlier prune that was killed may have removed some. */
function treeIfThere(local: ReadObject, target: Target, task: Task): ReadTree {
  return async (checksum) =>
    (await local(checksum, 'dirtree')) ?? readPublic(`repo/${objectPath(checksum, 'dirtree')}`, target, task);
}

const commitFiles = (commit: string): string[] => [objectPath(commit, 'commit'), objectPath(commit, 'commitmeta')];
