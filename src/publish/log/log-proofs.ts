import { join } from 'node:path';
import { withTemporaryFolder, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { proveInclusion } from '../../log/inclusion.ts';
import { formatProof } from '../../log/proof-file.ts';
import { TILE_WIDTH } from '../../log/tile-math.ts';
import type { TileTree } from '../../log/tile-tree.ts';
import { type LogEntry, parseEntry } from '../../published/log-entry.ts';
import { proofPathsOf, vouchedFiles } from '../../published/log-subjects.ts';
import type { Target } from '../../targets/target.ts';
import type { LogHead } from './log-files.ts';

/** A proof as it is published. */
export interface PublishedProof {
  /** Relative to the target's root. */
  readonly path: string;
  readonly text: string;
}

/** Returns the proof that an entry is in a log, with the entry in it. @throws NightlyError `log` */
export async function proofOf(tree: TileTree, { note }: Pick<LogHead, 'note'>, index: number): Promise<string> {
  const [extra, hashes] = await Promise.all([tree.entry(index), proveInclusion(tree.nodeOf, index, tree.size)]);
  return formatProof({ extra, index, hashes, checkpoint: String(note) });
}

/** Returns what is published to prove some entries. @param indices of them in the log */
export async function proofsOf(tree: TileTree, head: LogHead, indices: readonly number[]): Promise<PublishedProof[]> {
  const all = await Promise.all(
    indices.map(async (index) => {
      const entry = parseEntry(await tree.entry(index), { file: `log, entry ${index}` });
      const paths = entry === undefined ? [] : proofPathsOf(entry);
      if (paths.length === 0) return [];
      const text = await proofOf(tree, head, index);
      return paths.map((path) => ({ path, text }));
    }),
  );
  return all.flat();
}

/** Puts proofs on a target. */
export async function sendProofs(proofs: readonly PublishedProof[], target: Target, task: Task): Promise<void> {
  if (proofs.length === 0) return;
  await withTemporaryFolder(async (folder) => {
    for (const { path, text } of proofs) await writeFileAtomic(join(folder, path), text);
    const paths = proofs.map(({ path }) => path);
    await target.send(folder, paths, { immutable: false }, task);
  });
}

/** What an entry is looked for by: the path of a published file, or a commit. */
export interface Sought {
  readonly path?: string;
  readonly commit?: string;
}

/** Returns the last entry that vouches for a file, or names a commit; undefined when there is none. Reads the log from its end. */
export async function findEntry(
  tree: TileTree,
  { path, commit }: Sought,
): Promise<{ readonly index: number; readonly entry: LogEntry } | undefined> {
  for (let bundle = Math.ceil(tree.size / TILE_WIDTH) - 1; bundle >= 0; bundle -= 1) {
    const entries = await tree.bundle(bundle);
    for (const [offset, bytes] of [...entries.entries()].reverse()) {
      const index = bundle * TILE_WIDTH + offset;
      const entry = parseEntry(bytes, { file: `log, entry ${index}` });
      if (entry === undefined) continue;
      const isIt =
        commit === undefined
          ? vouchedFiles(entry).some((file) => file.path === path)
          : entry.kind === 'ref' && entry.commit === commit;
      if (isIt) return { index, entry };
    }
  }
  return undefined;
}
