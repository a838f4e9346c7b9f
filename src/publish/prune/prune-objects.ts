import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { type ChecksumList, type ChecksumSet, checksumList, checksumSet } from '../../ostree/checksums.ts';
import { parseDirTree, type ReadObject } from '../../ostree/objects.ts';

/** The root folder of a commit. */
export interface TreeRoot {
  readonly tree: string;
  readonly meta: string;
}

/** Gives a dirtree, or undefined when it is not there any more. */
export type ReadTree = (checksum: string) => Promise<Uint8Array | undefined>;

/** What only the commits to go need. */
export interface LoneObjects {
  readonly content: ChecksumList;
  readonly metas: ChecksumList;
  /**
   * Dirtrees, those without folders in them first, so that whatever is left after a kill can still be found from the
   * root. Each list is to be removed whole before the next.
   */
  readonly trees: readonly ChecksumList[];
}

/** Folders read at the same time: enough to keep a disk or a web server busy. */
const PARALLEL = 16;

/**
 * Marks everything that some commits are made of, each folder read once. Memory: some 42 bytes an object.
 * @throws NightlyError `ostree` when a folder is missing, unless `partial` allows for it.
 */
export async function reachableObjects(
  roots: readonly TreeRoot[],
  read: ReadTree,
  { partial }: { readonly partial: boolean },
  task: Task,
): Promise<ChecksumSet> {
  const found = checksumSet();
  const pending: string[] = [];
  const enter = ({ tree, meta }: TreeRoot): void => {
    found.add(meta);
    if (found.add(tree)) pending.push(tree);
  };
  for (const root of roots) enter(root);
  let told = 0;
  while (pending.length > 0) {
    task.signal.throwIfAborted();
    await Promise.all(
      pending.splice(-PARALLEL).map(async (checksum) => {
        const bytes = await read(checksum);
        if (!bytes && !partial) throw missing(checksum);
        if (!bytes) return;
        const { files, folders } = parseDirTree(checksum, bytes);
        for (const file of files) found.add(file.checksum);
        for (const folder of folders) enter(folder);
      }),
    );
    if (found.size - told > 20_000) {
      told = found.size;
      task.progress(told, undefined, 'objects');
    }
  }
  return found;
}

/**
 * Finds the objects of the commits to go that are not among those that stay. A folder that stays is not entered, for
 * then everything below it stays; one that is gone already was removed with all below it.
 */
export async function loneObjects(
  roots: readonly TreeRoot[],
  staying: ChecksumSet,
  read: ReadTree,
  task: Task,
): Promise<LoneObjects> {
  const [content, metas, trees] = [checksumList(), checksumList(), [] as ChecksumList[]];
  const seen = checksumSet();
  const note = (checksum: string, list: ChecksumList): void => {
    if (!staying.has(checksum) && seen.add(checksum)) list.push(checksum);
  };
  /** How many folders are below each other in a dirtree; -1 for one that stays. */
  const heights = new Map<string, number>();
  const visit = async (tree: string): Promise<number> => {
    const known = heights.get(tree);
    if (known !== undefined) return known;
    if (staying.has(tree)) return -1;
    task.signal.throwIfAborted();
    const bytes = await read(tree);
    let height = 0;
    if (bytes) {
      const { files, folders } = parseDirTree(tree, bytes);
      for (const { checksum } of files) note(checksum, content);
      for (const folder of folders) {
        note(folder.meta, metas);
        height = Math.max(height, 1 + (await visit(folder.tree)));
      }
    }
    heights.set(tree, height);
    // A folder's own folders come first, so the levels fill up from the lowest.
    if (trees.length === height) trees.push(checksumList());
    trees[height]?.push(tree);
    return height;
  };
  for (const { tree, meta } of roots) {
    note(meta, metas);
    await visit(tree);
  }
  return { content, metas, trees };
}

/** Dirtrees of a reader of all metadata objects. */
export const treesOf =
  (read: ReadObject): ReadTree =>
  (checksum) =>
    read(checksum, 'dirtree');

function missing(checksum: string): NightlyError {
  return new NightlyError('ostree', `A commit that stays is not whole: its folder ${checksum} is missing.`, {
    hint: 'Repair the repository first; nothing was removed.',
  });
}
