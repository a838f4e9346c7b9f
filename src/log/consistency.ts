import { type NodeSource, rangeHash } from './inclusion.ts';
import { type Hash, isSize, nodeHash, splitPoint } from './merkle.ts';

/** A tree by its size and root. */
export interface TreeHead {
  readonly size: number;
  readonly root: Hash;
}

/**
 * Returns the proof that a tree is the beginning of a larger one: RFC 6962, section 2.1.2. It is empty when they are of one size, or the
 * first has no leaves.
 */
export async function proveConsistency(nodeOf: NodeSource, older: number, newer: number): Promise<Hash[]> {
  if (older === 0 || older === newer) return [];
  const ranges: [start: number, end: number][] = [];
  let [start, end] = [0, newer];
  // Whether the subtree under way is as the older tree has it, so that its verifier knows the hash.
  let known = true;
  while (end !== older) {
    const middle = start + splitPoint(end - start);
    if (older <= middle) {
      ranges.push([middle, end]);
      end = middle;
    } else {
      ranges.push([start, middle]);
      start = middle;
      known = false;
    }
  }
  if (!known) ranges.push([start, end]);
  return Promise.all(ranges.reverse().map(([from, to]) => rangeHash(nodeOf, from, to)));
}

/** Whether a proof shows that one tree is the beginning of the other: RFC 9162, section 2.1.4.2. */
export function isConsistent(older: TreeHead, newer: TreeHead, proof: readonly Hash[]): boolean {
  if (!isSize(older.size) || !isSize(newer.size) || older.size > newer.size) return false;
  if (older.size === newer.size) return proof.length === 0 && older.root.equals(newer.root);
  // Every tree begins with nothing; whoever calls has verified the root of an empty one.
  if (older.size === 0) return proof.length === 0;
  let [fn, sn] = [older.size - 1, newer.size - 1];
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  // A complete tree is a node of the newer one, which the verifier knows.
  const [first, ...rest] = fn === 0 ? [older.root, ...proof] : proof;
  if (first === undefined) return false;
  let [old, young] = [first, first];
  for (const node of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [old, young] = [nodeHash(node, old), nodeHash(node, young)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      young = nodeHash(young, node);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && old.equals(older.root) && young.equals(newer.root);
}
