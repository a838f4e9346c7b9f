import { hash } from 'node:crypto';

/**
 * The Merkle tree of RFC 6962, section 2.1. Indices and sizes go up to 2^53 - 1: JavaScript's bit operators see only 32 bits of
 * a number, so nothing here uses them.
 */

/** A SHA-256 in 32 bytes. */
export type Hash = Buffer;

export const HASH_BYTES = 32;

/** The root of a tree without leaves. */
export const EMPTY_ROOT: Hash = sha256(Buffer.alloc(0));

/** A complete subtree: the leaves from `index * 2^level`, 2^level of them. */
export interface Subtree {
  readonly level: number;
  readonly index: number;
}

/** Returns the hash of a leaf. */
export function leafHash(entry: Uint8Array): Hash {
  const bytes = Buffer.allocUnsafe(entry.length + 1);
  bytes[0] = 0x00;
  bytes.set(entry, 1);
  return sha256(bytes);
}

/** Returns the hash of an inner node. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Hash {
  const bytes = Buffer.allocUnsafe(1 + 2 * HASH_BYTES);
  bytes[0] = 0x01;
  bytes.set(left, 1);
  bytes.set(right, 1 + HASH_BYTES);
  return sha256(bytes);
}

/** Whether a number can be a size or an index. */
export function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0;
}

/** Returns the largest power of two below `size`, where a tree of more than one leaf is split. */
export function splitPoint(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/**
 * Returns the complete subtrees that a tree's leaves from `start` up to `end` consist of, the largest first. `start` is where the tree of
 * these leaves begins in the whole one: a multiple of the largest of them.
 */
export function subtreesOf(start: number, end: number): Subtree[] {
  const subtrees: Subtree[] = [];
  let [from, left] = [start, end - start];
  for (let level = Math.ceil(Math.log2(left + 1)); level >= 0; level -= 1) {
    const leaves = 2 ** level;
    if (leaves > left) continue;
    subtrees.push({ level, index: from / leaves });
    from += leaves;
    left -= leaves;
  }
  return subtrees;
}

/** Returns the root of a tree from those of its complete subtrees, the largest first. */
export function foldRoots(roots: readonly Hash[]): Hash {
  if (roots.length === 0) return EMPTY_ROOT;
  return roots.reduceRight((right, left) => nodeHash(left, right));
}

/** Returns the root of a complete subtree from nodes of one level, whose number is a power of two. */
export function foldNodes(nodes: readonly Hash[]): Hash {
  let level = nodes;
  while (level.length > 1) {
    const above: Hash[] = [];
    for (let at = 0; at + 1 < level.length; at += 2) above.push(nodeHash(at0(level, at), at0(level, at + 1)));
    level = above;
  }
  return at0(level, 0);
}

/** What stands at a place of a list that is known to have it. */
function at0(nodes: readonly Hash[], index: number): Hash {
  const node = nodes[index];
  if (node === undefined) throw new RangeError(`a subtree lacks node ${index} of ${nodes.length}`);
  return node;
}

function sha256(bytes: Uint8Array): Hash {
  return hash('sha256', bytes, 'buffer');
}
