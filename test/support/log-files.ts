import { appendFileSync, readFileSync } from 'node:fs';
import { signCheckpoint } from '../../src/log/checkpoint.ts';
import { grow, NO_TREE } from '../../src/log/grow.ts';
import { type NoteSigner, noteSigner } from '../../src/log/note-keys.ts';
import { openTileTree, type TileTree } from '../../src/log/tile-tree.ts';

/** The vectors of the log's formats: what programs of others gave for the same keys and entries. */
export const VECTORS: {
  readonly origin: string;
  readonly logSeed: string;
  readonly witnessSeed: string;
  readonly logVkey: string;
  readonly witnessVkey: string;
  readonly leaves: readonly string[];
  readonly roots: Readonly<Record<string, string>>;
  readonly bundle: string;
  readonly proofLengthsTo70000: Readonly<Record<string, number>>;
  readonly cosignedAt: number;
} = JSON.parse(readFileSync(new URL('../fixtures/log/vectors.json', import.meta.url), 'utf8'));

export const LOG = noteSigner(VECTORS.origin, 'ed25519', Buffer.from(VECTORS.logSeed, 'hex'));
export const WITNESS = noteSigner('witness.example/w1', 'cosignature', Buffer.from(VECTORS.witnessSeed, 'hex'));

export const PREFIX = 'atomic-nightly/1\n{"n":';
export const SUFFIX = '}\n';

/** The entry that the vectors have at an index. */
export const entryOf = (index: number): Buffer => Buffer.from(`${PREFIX}${index}${SUFFIX}`);

export const entriesFrom = (start: number, end: number): Buffer[] =>
  Array.from({ length: end - start }, (_, at) => entryOf(start + at));

/** A log in memory: its files by path, with those of each size that it had. */
export interface MemoryLog {
  readonly files: Map<string, Buffer>;
  readonly roots: ReadonlyMap<number, Buffer>;
  /** Signed, of the last size. */
  readonly checkpoint: string;
  /** @param size one that it had; default: the last */
  open(size?: number): Promise<TileTree>;
}

/** Makes a log of the vectors' entries, which had a checkpoint at each of these sizes. */
export function memoryLog(...sizes: readonly number[]): MemoryLog {
  const files = new Map<string, Buffer>();
  const roots = new Map<number, Buffer>();
  let grown = grow(NO_TREE, []);
  for (const size of sizes) {
    grown = grow(grown, entriesFrom(grown.size, size));
    for (const { path, content } of grown.files) files.set(path, content);
    roots.set(size, grown.root);
  }
  const last = { size: grown.size, root: grown.root };
  return {
    files,
    roots,
    checkpoint: signCheckpoint({ origin: VECTORS.origin, ...last }, LOG),
    open: (size = last.size) =>
      openTileTree(async (path) => files.get(path), { size, root: roots.get(size) ?? last.root }, 'log'),
  };
}

/** Reads all that a tree has: each entry and each tile. */
export async function readAll(tree: TileTree): Promise<void> {
  for (let index = 0; index * 256 < tree.size; index += 1) await tree.bundle(index);
}

/** The log's key; what it signs is noted in a file first. */
export function notingKey(file: string): NoteSigner {
  return {
    ...LOG,
    sign(bytes) {
      appendFileSync(file, `${Buffer.from(bytes).toString('base64')}\n`);
      return LOG.sign(bytes);
    },
  };
}
