import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { inBatches } from '../../base/batches.ts';
import { isErrno } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { localObjects, objectPath, readCommit } from '../../ostree/objects.ts';
import { DELTA_FOLDERS, deltaLeadsTo } from './prune-deltas.ts';
import { loneObjects, reachableObjects, type TreeRoot, treesOf } from './prune-objects.ts';
import { type Amount, totalOf } from './prune-plan.ts';
import { fileGroup, objectGroups } from './sizes.ts';

/**
 * Removes from the local repository the commits that are not wanted, with everything only they need; those that a local
 * ref names stay as well. Only the holder of the run lock may.
 * @returns the commits that went, and what that freed.
 */
export async function pruneRepo(
  { repo, wanted, dryRun }: { readonly repo: string; readonly wanted: ReadonlySet<string>; readonly dryRun: boolean },
  task: Task,
): Promise<Amount & { readonly commits: readonly string[] }> {
  const commits = await localCommits(repo);
  const named = await localRefs(repo);
  const goes = commits.filter((commit) => !wanted.has(commit) && !named.has(commit));
  if (goes.length === 0) return { commits: [], files: 0, bytes: 0 };
  const going = new Set(goes);
  const read = treesOf(localObjects(repo));
  const rootsOf = (which: readonly string[]) =>
    pLimit(16).map(which, async (commit): Promise<TreeRoot> => {
      const { rootTree, rootMeta } = await readCommit(repo, commit);
      return { tree: rootTree, meta: rootMeta };
    });
  const stays = await rootsOf(commits.filter((commit) => !going.has(commit)));
  // A seeded commit is here in part: what it lacks, nobody here needs.
  const staying = await reachableObjects(stays, read, { partial: true }, task);
  const lone = await loneObjects(await rootsOf(goes), staying, read, task);
  const records = goes.flatMap((commit) => [
    `state/${commit}.commitpartial`,
    objectPath(commit, 'commit'),
    objectPath(commit, 'commitmeta'),
  ]);
  const { content, folders } = await objectGroups(lone, repo, task);
  const groups = [
    await fileGroup([...records, ...(await localDeltas(repo, going))], repo, task),
    ...content,
    ...folders,
  ];
  for (const { paths } of dryRun ? [] : groups) {
    for (const batch of inBatches(paths(), 64)) {
      task.signal.throwIfAborted();
      await Promise.all(batch.map((path) => rm(join(repo, path), { force: true })));
    }
  }
  return { commits: goes, ...totalOf(groups) };
}

async function localCommits(repo: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of await below(join(repo, 'objects'))) {
    for (const name of await below(join(repo, 'objects', folder))) {
      if (name.endsWith('.commit')) found.push(folder + name.slice(0, -'.commit'.length));
    }
  }
  return found;
}

/** Returns what branches, refs of remotes and mirrored refs name. */
async function localRefs(repo: string): Promise<Set<string>> {
  const files = await readdir(join(repo, 'refs'), { recursive: true, withFileTypes: true });
  const contents = files
    .filter((file) => file.isFile())
    .map((file) => readFile(join(file.parentPath, file.name), 'utf8'));
  return new Set((await Promise.all(contents)).map((text) => text.trim()));
}

async function localDeltas(repo: string, commits: ReadonlySet<string>): Promise<string[]> {
  const found: string[] = [];
  for (const folder of DELTA_FOLDERS) {
    for (const name of await below(join(repo, folder), true)) {
      const to = deltaLeadsTo(`${folder}/${name}`);
      if (to !== undefined && commits.has(to)) found.push(`${folder}/${name}`);
    }
  }
  return found;
}

async function below(folder: string, recursive = false): Promise<string[]> {
  try {
    return await readdir(folder, { recursive });
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}
