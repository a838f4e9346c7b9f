import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatBundle, parseBundle } from '../../src/log/bundle.ts';
import { openCheckpoint } from '../../src/log/checkpoint.ts';
import { proveConsistency } from '../../src/log/consistency.ts';
import { cosign } from '../../src/log/cosignature.ts';
import { grow, NO_TREE } from '../../src/log/grow.ts';
import { proveInclusion } from '../../src/log/inclusion.ts';
import { EMPTY_ROOT, leafHash } from '../../src/log/merkle.ts';
import { signatureLine } from '../../src/log/note.ts';
import { formatPrivateKey, formatVkey, parsePrivateKey, parseVkey } from '../../src/log/note-keys.ts';
import { formatProof, parseProof, verifyProof } from '../../src/log/proof-file.ts';
import { edgeTiles, parseTilePath, tilePath } from '../../src/log/tile-math.ts';
import { entriesFrom, entryOf, LOG, memoryLog, VECTORS, WITNESS } from '../support/log-files.ts';

const PROOF = readFileSync(new URL('../fixtures/log/entry-1-of-3.tlog-proof', import.meta.url));
const PLACE = { file: 'FILE' };

describe('what programs of others gave', () => {
  it('keys', () => {
    expect(formatVkey(LOG)).toBe(VECTORS.logVkey);
    expect(formatVkey(WITNESS)).toBe(VECTORS.witnessVkey);
    for (const vkey of [VECTORS.logVkey, VECTORS.witnessVkey]) expect(formatVkey(parseVkey(vkey, PLACE))).toBe(vkey);
    const text = formatPrivateKey(LOG.name, Buffer.from(VECTORS.logSeed, 'hex'));
    expect(text).toMatch(/^PRIVATE\+KEY\+lab\.example\/atomic-log\+37d63fe0\+AQ[\w+/=]+\n$/);
    expect(formatVkey(parsePrivateKey(text, PLACE))).toBe(VECTORS.logVkey);
  });

  it('leaves, roots and a bundle', () => {
    expect(EMPTY_ROOT.toString('base64')).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
    expect([0, 1, 2].map((index) => leafHash(entryOf(index)).toString('hex'))).toEqual(VECTORS.leaves);
    let tree = grow(NO_TREE, []);
    for (const [size, root] of Object.entries(VECTORS.roots)) {
      tree = grow(tree, entriesFrom(tree.size, Number(size)));
      expect([size, tree.root.toString('base64')]).toEqual([size, root]);
    }
    expect(formatBundle([entryOf(0)]).toString('hex')).toBe(VECTORS.bundle);
    expect(parseBundle(Buffer.from(VECTORS.bundle, 'hex'), 1, PLACE)).toEqual([entryOf(0)]);
  });

  it('lengths of proofs to 70,000 entries', async () => {
    const tree = await memoryLog(70_000).open();
    for (const [size, length] of Object.entries(VECTORS.proofLengthsTo70000)) {
      expect([size, (await proveConsistency(tree.nodeOf, Number(size), 70_000)).length]).toEqual([size, length]);
    }
    const small = await memoryLog(3).open();
    const hex = (hashes: readonly Buffer[]) => hashes.map((hash) => hash.toString('hex'));
    expect(hex(await proveConsistency(small.nodeOf, 1, 3))).toEqual(VECTORS.leaves.slice(1));
    expect(hex(await proveConsistency(small.nodeOf, 2, 3))).toEqual(VECTORS.leaves.slice(2));
  });

  it('paths of tiles', () => {
    expect(tilePath({ level: 'entries', index: 1_234_067, width: 256 })).toBe('tile/entries/x001/x234/067');
    expect(edgeTiles(256).map(tilePath)).toEqual(['tile/1/000.p/1']);
    expect(edgeTiles(70_000).map(tilePath)).toEqual(['tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1']);
    for (const path of ['tile/0/000', 'tile/entries/x001/x234/067.p/9', 'tile/63/x999/999']) {
      const tile = parseTilePath(path);
      expect(tile && tilePath(tile)).toBe(path);
    }
    for (const path of [
      'tile/64/000',
      'tile/0/x000/067',
      'tile/0/67',
      'tile/0/000.p/256',
      'tile/0/000.p/0',
      'tile/00/000',
      'tile/0/../000',
    ])
      expect([path, parseTilePath(path)]).toEqual([path, undefined]);
  });

  it('a proof, its checkpoint and its cosignature', async () => {
    const { checkpoint, open } = memoryLog(3);
    const text = checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1);
    const cosigned = checkpoint + signatureLine(cosign(text, VECTORS.cosignedAt, WITNESS));
    const hashes = await proveInclusion((await open()).nodeOf, 1, 3);
    expect(formatProof({ index: 1, hashes, checkpoint: cosigned })).toBe(PROOF.toString());
    const keys = { log: parseVkey(VECTORS.logVkey, PLACE), witnesses: [parseVkey(VECTORS.witnessVkey, PLACE)] };
    const verified = verifyProof(parseProof(PROOF, PLACE), entryOf(1), keys, PLACE);
    expect([verified.size, [...verified.cosigned.values()]]).toEqual([3, [VECTORS.cosignedAt]]);
    expect(openCheckpoint(Buffer.from(checkpoint), keys, PLACE).cosigned.size).toBe(0);
  });
});
