import { foldRoots, type Hash, isSize, nodeHash, type Subtree, splitPoint, subtreesOf } from './merkle.ts';

/** Gives the hash of a complete subtree of a tree. */
export type NodeSource = (subtree: Subtree) => Promise<Hash>;

/** Returns the hash of a tree of the leaves from `start` up to `end`, as it stands in a larger one. */
export async function rangeHash(nodeOf: NodeSource, start: number, end: number): Promise<Hash> {
  return foldRoots(await Promise.all(subtreesOf(start, end).map(nodeOf)));
}

/** Returns the proof that a leaf is in a tree of that size: RFC 6962, section 2.1.1. The leaf's sibling comes first. */
export async function proveInclusion(nodeOf: NodeSource, index: number, size: number): Promise<Hash[]> {
  const ranges: [start: number, end: number][] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      ranges.push([middle, end]);
      end = middle;
    } else {
      ranges.push([start, middle]);
      start = middle;
    }
  }
  return Promise.all(ranges.reverse().map(([from, to]) => rangeHash(nodeOf, from, to)));
}

/** Whether a proof shows that a leaf is in the tree with that root: RFC 9162, section 2.1.3.2. */
export function isIncluded(
  {
    index,
    size,
    leaf,
    root,
  }: { readonly index: number; readonly size: number; readonly leaf: Hash; readonly root: Hash },
  proof: readonly Hash[],
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  let [fn, sn] = [index, size - 1];
  let hash = leaf;
  for (const sibling of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && hash.equals(root);
}
