import { parseBundle } from './bundle.ts';
import type { TreeHead } from './consistency.ts';
import { rootOf } from './grow.ts';
import { type LogPlace, logFault } from './log-fault.ts';
import { foldNodes, HASH_BYTES, type Hash, leafHash, type Subtree } from './merkle.ts';
import { edgeTiles, nodesAt, TILE_LEVELS, TILE_WIDTH, type Tile, tilePath, widthOf } from './tile-math.ts';

/** Gives a file of a log by its path below the log's prefix; undefined when there is none. */
export type ReadLogFile = (path: string) => Promise<Uint8Array | undefined>;

/**
 * A tree whose root was signed. Nothing that it returns was not hashed up to that root: a full tile by way of the tile above it, the
 * tiles at the right edge all together, since the root is made of exactly what is in them. (A verifier that took those on trust: CVE-2026-56865.)
 */
export interface TileTree extends TreeHead {
  /** Returns the hash of a complete subtree. @throws NightlyError `log` when a tile is missing or wrong. */
  nodeOf(subtree: Subtree): Promise<Hash>;
  /** Returns the hashes of a tile, which the tree must have. @throws NightlyError `log` */
  tile(level: number, index: number): Promise<readonly Hash[]>;
  /** Returns the entries of a bundle. @throws NightlyError `log` when the bundle is missing or an entry is not that of its leaf. */
  bundle(index: number): Promise<readonly Buffer[]>;
  /** Returns one entry. @throws NightlyError `log` */
  entry(index: number): Promise<Buffer>;
  /** The tiles at the right edge that are not full, by level. */
  readonly edge: ReadonlyMap<number, readonly Hash[]>;
}

/** Verified tiles that are kept: a walk over a whole log needs one for each level. */
const KEPT_TILES = 64;

/**
 * Opens the tree of a checkpoint that was verified: reads the tiles at its right edge, and hashes them up to the root.
 * @param at where the log is, for messages
 * @throws NightlyError `log`
 */
export async function openTileTree(read: ReadLogFile, { size, root }: TreeHead, at: string): Promise<TileTree> {
  const edge = new Map<number, readonly Hash[]>();
  const tiles = edgeTiles(size);
  const contents = await Promise.all(tiles.map((tile) => readTile(read, tile, at)));
  for (const [index, { level }] of tiles.entries()) edge.set(level, contents[index] ?? []);
  if (!rootOf(edge, size).equals(root)) {
    const place = { file: `${at}/${tilePath(tiles[0] ?? { level: 0, index: 0, width: TILE_WIDTH })}` };
    throw logFault(
      place,
      `The tiles at the right edge of the log do not hash to the root of its checkpoint of ${size} entries.`,
    );
  }

  const kept = new Map<string, Promise<readonly Hash[]>>();
  const tile = (level: number, index: number): Promise<readonly Hash[]> => {
    const width = widthOf(level, index, size);
    if (width === 0) throw new RangeError(`a tree of ${size} has no tile ${level}/${index}`);
    if (width < TILE_WIDTH) return Promise.resolve(edge.get(level) ?? []);
    const name = `${level}/${index}`;
    const known = kept.get(name);
    // What was asked for last stays longest.
    if (known !== undefined) kept.delete(name);
    const found = known ?? fullTile(level, index);
    kept.set(name, found);
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_TILES) break;
      kept.delete(oldest);
    }
    return found;
  };
  const fullTile = async (level: number, index: number): Promise<readonly Hash[]> => {
    const above = await tile(level + 1, Math.floor(index / TILE_WIDTH));
    const hashes = await readTile(read, { level, index, width: TILE_WIDTH }, at);
    if (above[index % TILE_WIDTH]?.equals(foldNodes(hashes))) return hashes;
    const place = { file: `${at}/${tilePath({ level, index, width: TILE_WIDTH })}` };
    throw logFault(place, 'This tile is not the one that the tiles above it name: what it holds was changed.');
  };
  const nodeOf = async ({ level, index }: Subtree): Promise<Hash> => {
    const within = level % TILE_LEVELS;
    const nodes = 2 ** within;
    const first = index * nodes;
    const hashes = await tile((level - within) / TILE_LEVELS, Math.floor(first / TILE_WIDTH));
    return foldNodes(hashes.slice(first % TILE_WIDTH, (first % TILE_WIDTH) + nodes));
  };
  const bundle = async (index: number): Promise<readonly Buffer[]> => {
    const [leaves, { entries, place }] = await Promise.all([tile(0, index), readBundle(read, index, size, at)]);
    const wrong = entries.findIndex((entry, offset) => !leaves[offset]?.equals(leafHash(entry)));
    if (wrong < 0) return entries;
    throw logFault(
      place,
      `Entry ${index * TILE_WIDTH + wrong} of the log is not the one that its tree has: it was changed.`,
    );
  };
  return {
    size,
    root,
    edge,
    tile,
    nodeOf,
    bundle,
    async entry(index) {
      const found = (await bundle(Math.floor(index / TILE_WIDTH)))[index % TILE_WIDTH];
      if (found === undefined) throw new RangeError(`a log of ${size} entries has no entry ${index}`);
      return found;
    },
  };
}

async function readTile(read: ReadLogFile, tile: Tile, at: string): Promise<Hash[]> {
  const { bytes, place } = await readWhole(read, tile, at);
  const hashes = Math.floor(bytes.length / HASH_BYTES);
  const isWhole = bytes.length % HASH_BYTES === 0 && (hashes === tile.width || hashes === TILE_WIDTH);
  if (!isWhole) throw logFault(place, `This tile has ${bytes.length} bytes instead of ${tile.width * HASH_BYTES}.`);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: tile.width }, (_, index) =>
    buffer.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES),
  );
}

async function readBundle(read: ReadLogFile, index: number, size: number, at: string) {
  const width = Math.min(TILE_WIDTH, nodesAt(0, size) - index * TILE_WIDTH);
  const { bytes, place } = await readWhole(read, { level: 'entries', index, width }, at);
  return { entries: parseBundle(bytes, width, place), place };
}

/** A part may be gone once the tile is full: then that one has what the part had. */
async function readWhole(read: ReadLogFile, tile: Tile, at: string): Promise<{ bytes: Uint8Array; place: LogPlace }> {
  const path = tilePath(tile);
  const part = await read(path);
  if (part !== undefined) return { bytes: part, place: { file: `${at}/${path}` } };
  const full = tilePath({ ...tile, width: TILE_WIDTH });
  const whole = tile.width === TILE_WIDTH ? undefined : await read(full);
  if (whole !== undefined) return { bytes: whole, place: { file: `${at}/${full}` } };
  throw logFault({ file: `${at}/${path}` }, 'The log has no such file, although its checkpoint says that it must.');
}
