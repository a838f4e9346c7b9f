import { readdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { formatBytes } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import type { DeltaRecord } from '../../ostree/delta-record.ts';
import { isWhole } from '../../ostree/local-repo.ts';
import { localObjects, readRef } from '../../ostree/objects.ts';
import { deltaPath } from '../../ostree/static-deltas.ts';
import { walkNew } from '../../ostree/tree-walk.ts';
import { generateDelta, indexDeltas } from '../../programs/ostree.ts';
import type { Project } from '../../run/project.ts';

/**
 * Makes the static deltas that the stream asks for in the local repository, side by side, and the index that clients
 * find them by. One whose start is not here as a whole, because another machine built it, is left out.
 * @throws NightlyError `tool-failed`, `disk-full`.
 */
export async function makeDeltas(
  project: Project,
  { commit, parent }: { readonly commit: string; readonly parent?: string | undefined },
  task: Task,
): Promise<DeltaRecord[]> {
  const { repo, stream } = project;
  const starts = new Map<string | undefined, string>();
  for (const from of stream.deltas) {
    if (from === 'scratch') starts.set(undefined, 'from scratch');
    else if (from === 'parent' && parent !== undefined) starts.set(parent, 'from the parent');
    else if (typeof from === 'object') {
      const at = await readRef(repo, from.ref);
      if (at !== undefined && at !== commit) starts.set(at, `from ${from.ref}`);
      else task.say(`no delta from ${from.ref}: the local repository has no such ref with another commit`);
    }
  }
  const limit = pLimit(availableParallelism());
  const made = await limit.map([...starts], async ([from, name]): Promise<DeltaRecord[]> => {
    if (from !== undefined && !isWhole({ path: repo }, from)) {
      task.say(`no delta ${name}: ${from.slice(0, 12)} was built elsewhere and is here in part only`);
      return [];
    }
    const begun = performance.now();
    await generateDelta({ repo, to: commit, from }, task);
    const seconds = Math.round(performance.now() - begun) / 1000;
    const saved = await withoutDelta(repo, commit, from);
    const bytes = await folderBytes(join(repo, deltaPath(from, commit)));
    task.say(
      `delta ${name}: ${formatBytes(bytes)} instead of ${saved.objects} objects with ${formatBytes(saved.bytes)}, ${seconds.toFixed(1)} s`,
    );
    const record = { to: commit, bytes, objectBytes: saved.bytes, objects: saved.objects, seconds };
    return [from === undefined ? record : { from, ...record }];
  });
  if (made.flat().length > 0) await indexDeltas(repo, commit, task);
  return made.flat();
}

async function withoutDelta(
  repo: string,
  commit: string,
  from: string | undefined,
): Promise<{ objects: number; bytes: number }> {
  const read = localObjects(repo);
  const sum = { objects: 0, bytes: 0 };
  for await (const { path } of walkNew(commit, from, { readNew: read, readOld: read })) {
    sum.objects += 1;
    sum.bytes += (await stat(join(repo, path))).size;
  }
  return sum;
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
  return bytes;
}
