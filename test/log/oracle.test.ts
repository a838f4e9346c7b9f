import { describe, expect, it } from 'vitest';
import { signCheckpoint } from '../../src/log/checkpoint.ts';
import { proveConsistency } from '../../src/log/consistency.ts';
import { proveInclusion } from '../../src/log/inclusion.ts';
import { leafHash } from '../../src/log/merkle.ts';
import { parseNote } from '../../src/log/note.ts';
import { noteSigner } from '../../src/log/note-keys.ts';
import { parseTilePath } from '../../src/log/tile-math.ts';
import { entryOf, LOG, memoryLog, PREFIX, SUFFIX, VECTORS } from '../support/log-files.ts';
import { buildOracle, whyNoOracle } from '../support/log-oracle.ts';
import { sharedFolder } from '../support/tmp.ts';

const dir = sharedFolder();

/** Each size that a small log can have, and those around the borders of tiles of the second and third level. */
const SMALL = Array.from({ length: 1101 }, (_, size) => size);
const LARGE = [65_535, 65_536, 65_537, 70_000];

const base64 = (hashes: readonly Buffer[]) => hashes.map((hash) => hash.toString('base64'));

/** Numbers that look like chance, and are the same in each run. */
function* spread(below: number, count: number): Generator<number> {
  for (let at = 0; at < count; at += 1) yield (at * 7919 + 104_729 * (at % 13)) % below;
}

describe.skipIf(whyNoOracle() !== undefined)('golang.org/x/mod computes the same', () => {
  const log = memoryLog(...SMALL, ...LARGE);
  const ask = buildOracle(dir);
  const entries = { prefix: PREFIX, suffix: SUFFIX, size: 70_000 };

  it('roots and tiles of every size', () => {
    const sizes = [...SMALL.slice(1), ...LARGE];
    const tiles = [...log.files.keys()].flatMap((path) => {
      const tile = parseTilePath(path);
      return tile && tile.level !== 'entries' ? [{ path, ask: [tile.level, tile.index, tile.width] as const }] : [];
    });
    const answer = ask({ ...entries, roots: sizes, tiles: tiles.map((one) => one.ask) });
    expect(answer.Roots).toEqual(sizes.map((size) => log.roots.get(size)?.toString('base64')));
    expect(tiles.length).toBeGreaterThan(1300);
    for (const [index, { path }] of tiles.entries())
      expect([path, log.files.get(path)?.toString('base64')]).toEqual([path, answer.Tiles[index]]);
  });

  it('proofs of inclusion and consistency, and it accepts ours', async () => {
    const pairs = [...SMALL.slice(1), ...LARGE].flatMap((size) =>
      [...spread(size, size > 1100 ? 16 : 1)].map((index) => [index, size] as const),
    );
    const older = pairs.filter(([one]) => one > 0);
    const answer = ask({ ...entries, inclusion: pairs, consistency: older });
    const trees = new Map(
      await Promise.all(
        [...new Set(pairs.map(([, size]) => size))].map(async (size) => [size, await log.open(size)] as const),
      ),
    );
    const checks = [];
    for (const [at, [index, size]] of pairs.entries()) {
      const proof = base64(await proveInclusion(nodesOf(trees, size), index, size));
      expect([index, size, proof]).toEqual([index, size, answer.Inclusion[at]]);
      checks.push({
        kind: 'record' as const,
        proof,
        size,
        root: rootOf(size),
        index,
        other: leafHash(entryOf(index)).toString('base64'),
      });
    }
    for (const [at, [from, size]] of older.entries()) {
      const proof = base64(await proveConsistency(nodesOf(trees, size), from, size));
      expect([from, size, proof]).toEqual([from, size, answer.Consistency[at]]);
      const other = log.roots.get(from);
      if (other)
        checks.push({
          kind: 'tree' as const,
          proof,
          size,
          root: rootOf(size),
          index: from,
          other: other.toString('base64'),
        });
    }
    expect(new Set(ask({ prefix: '', suffix: '', size: 0, checks }).Checks)).toEqual(new Set([true]));
  });

  it('notes: the same text of each that is good, and no other', () => {
    const other = noteSigner('other.example', 'ed25519', Buffer.alloc(32, 7));
    const good = signCheckpoint({ origin: VECTORS.origin, size: 3, root: log.roots.get(3) ?? Buffer.alloc(32) }, LOG);
    const foreign =
      signCheckpoint({ origin: VECTORS.origin, size: 3, root: Buffer.alloc(32) }, other).split('\n\n')[1] ?? '';
    const notes = [
      good,
      good + foreign,
      good.replace('\n3\n', '\n4\n'),
      good.replace('\n\n', '\n'),
      `${good}x`,
      good.replace('\n3\n', '\n3\n\n'),
    ];
    const answer = ask({
      prefix: '',
      suffix: '',
      size: 0,
      notes: notes.map((note) => ({ note, vkey: VECTORS.logVkey })),
    });
    expect(answer.Notes.map((text) => text !== '')).toEqual([true, true, false, false, false, false]);
    expect(parseNote(Buffer.from(good), { file: 'FILE' }).text).toBe(answer.Notes[0]);
  });

  const rootOf = (size: number): string => log.roots.get(size)?.toString('base64') ?? '';
});

type Trees = ReadonlyMap<number, Awaited<ReturnType<ReturnType<typeof memoryLog>['open']>>>;

function nodesOf(trees: Trees, size: number) {
  const tree = trees.get(size);
  if (!tree) throw new Error(`no tree of ${size}`);
  return tree.nodeOf;
}
