import { formatBundle } from './bundle.ts';
import type { TreeHead } from './consistency.ts';
import { foldNodes, foldRoots, type Hash, leafHash } from './merkle.ts';
import { edgeTiles, TILE_WIDTH, tilePath } from './tile-math.ts';

/** A file of a log, by its path below the log's prefix. */
export interface LogFile {
  readonly path: string;
  readonly content: Buffer;
}

/** What a tree needs to grow: what is at its right edge. */
export interface GrowingTree {
  readonly size: number;
  /** Nodes of the tiles at the right edge that are not full, by level. */
  readonly edge: ReadonlyMap<number, readonly Hash[]>;
  /** The entries of the last bundle, when that is not full. */
  readonly entries: readonly Uint8Array[];
}

export interface GrownTree extends TreeHead, GrowingTree {
  /** All tiles and bundles that are new or wider. */
  readonly files: readonly LogFile[];
}

/** A tree without leaves. */
export const NO_TREE: GrowingTree = { size: 0, edge: new Map(), entries: [] };

/** Returns a tree with more entries behind those that it has, and the files in which it differs. Consistent with what it was: nothing there changes. */
export function grow(tree: GrowingTree, added: readonly Uint8Array[]): GrownTree {
  const files: LogFile[] = [];
  const edge = new Map([...tree.edge].map(([level, nodes]) => [level, [...nodes]]));
  let entries = [...tree.entries];
  let { size } = tree;
  const filled = new Set<number>();
  const put = (level: number, node: Hash, index: number): void => {
    const nodes = edge.get(level) ?? [];
    nodes.push(node);
    filled.add(level);
    edge.set(level, nodes);
    if (nodes.length < TILE_WIDTH) return;
    const tile = Math.floor(index / TILE_WIDTH);
    files.push({ path: tilePath({ level, index: tile, width: TILE_WIDTH }), content: Buffer.concat(nodes) });
    edge.delete(level);
    filled.delete(level);
    put(level + 1, foldNodes(nodes), tile);
  };
  for (const entry of added) {
    entries.push(entry);
    put(0, leafHash(entry), size);
    size += 1;
    if (entries.length < TILE_WIDTH) continue;
    files.push(bundleFile(size, entries));
    entries = [];
  }
  if (added.length > 0 && entries.length > 0) files.push(bundleFile(size, entries));
  for (const tile of edgeTiles(size)) {
    const nodes = edge.get(tile.level) ?? [];
    if (filled.has(tile.level)) files.push({ path: tilePath(tile), content: Buffer.concat(nodes) });
  }
  return { size, root: rootOf(edge, size), edge, entries, files };
}

function bundleFile(size: number, entries: readonly Uint8Array[]): LogFile {
  const index = Math.floor((size - 1) / TILE_WIDTH);
  return { path: tilePath({ level: 'entries', index, width: entries.length }), content: formatBundle(entries) };
}

/** Returns the root of a tree from the nodes at its right edge. */
export function rootOf(edge: ReadonlyMap<number, readonly Hash[]>, size: number): Hash {
  const roots = edgeTiles(size)
    .toReversed()
    .flatMap(({ level }) => completeRoots(edge.get(level) ?? []));
  return foldRoots(roots);
}

/** The roots of the complete subtrees that these nodes make, the largest first. */
function completeRoots(nodes: readonly Hash[]): Hash[] {
  const roots: Hash[] = [];
  let at = 0;
  for (let width = TILE_WIDTH / 2; width >= 1; width /= 2) {
    if (nodes.length - at < width) continue;
    roots.push(foldNodes(nodes.slice(at, at + width)));
    at += width;
  }
  return roots;
}
