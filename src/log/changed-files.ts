import { formatBundle } from './bundle.ts';
import type { LogFile } from './grow.ts';
import { nodesAt, TILE_WIDTH, type Tile, tilePath, widthOf } from './tile-math.ts';
import type { TileTree } from './tile-tree.ts';

/** Returns the tiles and bundles that a tree of `to` leaves has and one of `from` has not, or not as wide. */
export function* changedTiles(from: number, to: number): Generator<Tile> {
  for (let level = 0; nodesAt(level, to) > 0; level += 1) {
    const first = Math.floor(nodesAt(level, from) / TILE_WIDTH);
    for (let index = first; index * TILE_WIDTH < nodesAt(level, to); index += 1) {
      const width = widthOf(level, index, to);
      if (width === widthOf(level, index, from)) continue;
      yield { level, index, width };
      if (level === 0) yield { level: 'entries', index, width };
    }
  }
}

/** Returns a file of a tree as its hashes vouch for it. @throws NightlyError `log` */
export async function verifiedFile(tree: TileTree, tile: Tile): Promise<LogFile> {
  const { level, index } = tile;
  const content =
    level === 'entries' ? formatBundle(await tree.bundle(index)) : Buffer.concat([...(await tree.tile(level, index))]);
  return { path: tilePath(tile), content };
}
