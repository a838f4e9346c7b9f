import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isConsistent, proveConsistency } from '../../src/log/consistency.ts';
import { grow, NO_TREE } from '../../src/log/grow.ts';
import { isIncluded, proveInclusion } from '../../src/log/inclusion.ts';
import { EMPTY_ROOT, foldRoots, leafHash, nodeHash, splitPoint, subtreesOf } from '../../src/log/merkle.ts';
import { nodesAt, widthOf } from '../../src/log/tile-math.ts';
import { entriesFrom, entryOf, memoryLog } from '../support/log-files.ts';

const SMALL = Array.from({ length: 1101 }, (_, size) => size);
const LARGE = [65_535, 65_536, 65_537, 70_000];
const log = memoryLog(...SMALL, ...LARGE);
const trees = new Map<number, ReturnType<typeof log.open>>();
const treeOf = (size: number) => {
  const found = trees.get(size) ?? log.open(size);
  trees.set(size, found);
  return found;
};
const size = fc.oneof(fc.integer({ min: 0, max: 1100 }), fc.constantFrom(...LARGE));

/** RFC 6962, section 2.1, word for word. */
function definedRoot(entries: readonly Buffer[]): Buffer {
  const [first] = entries;
  if (first === undefined) return EMPTY_ROOT;
  if (entries.length === 1) return leafHash(first);
  const split = splitPoint(entries.length);
  return nodeHash(definedRoot(entries.slice(0, split)), definedRoot(entries.slice(split)));
}

describe('trees', () => {
  it('have the root that RFC 6962 defines, however they grew', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 4 }), (steps) => {
        let tree = grow(NO_TREE, []);
        for (const step of steps) tree = grow(tree, entriesFrom(tree.size, tree.size + step));
        expect(tree.root).toEqual(definedRoot(entriesFrom(0, tree.size)));
        expect(tree.files.length).toBe(new Set(tree.files.map(({ path }) => path)).size);
      }),
      { numRuns: 20 },
    );
  });

  it('prove each leaf, and refuse the proof for anything else', async () => {
    await fc.assert(
      fc.asyncProperty(
        size.filter((one) => one > 0),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.nat(),
        async (all, part, which) => {
          const index = Math.floor(part * all);
          const { nodeOf, root } = await treeOf(all);
          const proof = await proveInclusion(nodeOf, index, all);
          const leaf = leafHash(entryOf(index));
          const shown = { index, size: all, leaf, root };
          expect(isIncluded(shown, proof)).toBe(true);
          expect(isIncluded({ ...shown, leaf: flipped(leaf, which) }, proof)).toBe(false);
          expect(isIncluded({ ...shown, root: flipped(root, which) }, proof)).toBe(false);
          expect(isIncluded(shown, [...proof, leaf])).toBe(false);
          for (const other of [index - 1, index + 1, which % (all + 9), 2 ** 53, -1, 0.5])
            if (other !== index) expect(isIncluded({ ...shown, index: other }, proof)).toBe(false);
          for (const at of proof.keys()) {
            expect(isIncluded(shown, proof.with(at, flipped(proof[at] ?? leaf, which)))).toBe(false);
            expect(isIncluded(shown, proof.toSpliced(at, 1))).toBe(false);
          }
        },
      ),
      { numRuns: 120 },
    );
  });

  it('prove that they go on from what they were, and refuse the proof for anything else', async () => {
    await fc.assert(
      fc.asyncProperty(size, size, fc.nat(), async (one, other, which) => {
        const [from, to] = [Math.min(one, other), Math.max(one, other)];
        const older = { size: from, root: log.roots.get(from) ?? EMPTY_ROOT };
        const { nodeOf, root } = await treeOf(to);
        const newer = { size: to, root };
        const proof = await proveConsistency(nodeOf, from, to);
        expect(isConsistent(older, newer, proof)).toBe(true);
        expect(isConsistent(older, newer, [...proof, root])).toBe(false);
        if (from > 0 || from === to)
          expect(isConsistent({ ...older, root: flipped(older.root, which) }, newer, proof)).toBe(false);
        if (from > 0) expect(isConsistent(older, { ...newer, root: flipped(root, which) }, proof)).toBe(false);
        if (from < to) expect(isConsistent(newer, older, proof)).toBe(false);
        for (const at of proof.keys()) {
          expect(isConsistent(older, newer, proof.with(at, flipped(proof[at] ?? root, which)))).toBe(false);
          expect(isConsistent(older, newer, proof.toSpliced(at, 1))).toBe(false);
        }
      }),
      { numRuns: 120 },
    );
  });

  it('up to 2^53 - 1 leaves: no operator of 32 bits is in the way', () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect([splitPoint(most), splitPoint(2 ** 40 + 1), splitPoint(2 ** 40)]).toEqual([2 ** 52, 2 ** 40, 2 ** 39]);
    expect(subtreesOf(0, 2 ** 33 + 2 ** 31 + 1)).toEqual([
      { level: 33, index: 0 },
      { level: 31, index: 4 },
      { level: 0, index: 2 ** 33 + 2 ** 31 },
    ]);
    expect(subtreesOf(0, most)).toHaveLength(53);
    expect([nodesAt(4, 2 ** 40 + 5), widthOf(0, 2 ** 32, 2 ** 40 + 5), widthOf(0, 2 ** 32 + 1, 2 ** 40 + 5)]).toEqual([
      256, 5, 0,
    ]);
    // The last leaf of a tree of 2^40 + 1 has one sibling: all the others.
    const [leaf, others] = [leafHash(entryOf(0)), leafHash(entryOf(1))];
    const shown = { index: 2 ** 40, size: 2 ** 40 + 1, leaf, root: foldRoots([others, leaf]) };
    expect(isIncluded(shown, [others])).toBe(true);
    expect(isIncluded({ ...shown, index: 2 ** 40 - 2 ** 32 }, [others])).toBe(false);
    expect(isConsistent({ size: 2 ** 40, root: others }, { size: 2 ** 40 + 1, root: shown.root }, [leaf])).toBe(true);
    expect(isConsistent({ size: 2 ** 39, root: others }, { size: 2 ** 40 + 1, root: shown.root }, [leaf])).toBe(false);
  });
});

function flipped(hash: Buffer, which: number): Buffer {
  const other = Buffer.from(hash);
  other[which % 32] = (other[which % 32] ?? 0) ^ (1 << (which % 8));
  return other;
}
