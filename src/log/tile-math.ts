import { isSize } from './merkle.ts';

/**
 * The files of a log (c2sp.org/tlog-tiles): `tile/L/N` has 256 hashes of level 8 × L of the tree, `tile/entries/N` the entries of
 * as many leaves. The last of a level, which is not full, has its width in its name: `tile/0/000.p/5`.
 */

/** Hashes of a full tile; entries of a full bundle. */
export const TILE_WIDTH = 256;

/** Levels of the tree that a tile stands for. */
export const TILE_LEVELS = 8;

/** A tile of hashes, or a bundle of entries. */
export interface Tile {
  readonly level: number | 'entries';
  readonly index: number;
  /** 1 to 256. */
  readonly width: number;
}

/** Returns the path of a tile below the prefix of its log. */
export function tilePath({ level, index, width }: Tile): string {
  return `tile/${level}/${numberPath(index)}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** Three digits for each part, all parts but the last behind an `x`: 1234067 is `x001/x234/067`. */
function numberPath(index: number): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  return padded.replaceAll(/\d{3}(?=\d)/g, (part) => `x${part}/`);
}

/** Returns what a path names; undefined for one that is no tile's, or is spelled in another way. */
export function parseTilePath(path: string): Tile | undefined {
  const [, levelText = '', numbers = '', widthText] =
    /^tile\/(entries|\d|[1-5]\d|6[0-3])\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path) ?? [];
  if (numbers === '') return undefined;
  const index = Number(numbers.replaceAll(/[x/]/g, ''));
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText);
  if (!isSize(index) || width > TILE_WIDTH) return undefined;
  const tile = { level: levelText === 'entries' ? levelText : Number(levelText), index, width } as const;
  return tilePath(tile) === path ? tile : undefined;
}

/** Returns how many nodes a tree of that size has on the lowest level of the tiles of a level. */
export function nodesAt(level: number, size: number): number {
  let nodes = size;
  for (let below = 0; below < level; below += 1) nodes = Math.floor(nodes / TILE_WIDTH);
  return nodes;
}

/** Returns the width that a tile has in a tree of that size; 0 where there is none. */
export function widthOf(level: number, index: number, size: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, nodesAt(level, size) - index * TILE_WIDTH));
}

/** Returns the tiles at the right edge of a tree that are not full, the lowest level first. */
export function edgeTiles(size: number): { readonly level: number; readonly index: number; readonly width: number }[] {
  const tiles = [];
  for (let level = 0, nodes = size; nodes > 0; level += 1, nodes = Math.floor(nodes / TILE_WIDTH)) {
    const width = nodes % TILE_WIDTH;
    if (width > 0) tiles.push({ level, index: Math.floor(nodes / TILE_WIDTH), width });
  }
  return tiles;
}
