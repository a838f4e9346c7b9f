import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseBundle } from '../../src/log/bundle.ts';
import { openCheckpoint, parseCheckpointText } from '../../src/log/checkpoint.ts';
import { parseNote } from '../../src/log/note.ts';
import { formatPrivateKey, formatVkey, isKeyName, parsePrivateKey, parseVkey } from '../../src/log/note-keys.ts';
import { parsePolicy } from '../../src/log/policy.ts';
import { formatProof, parseProof } from '../../src/log/proof-file.ts';
import { parseTilePath, tilePath } from '../../src/log/tile-math.ts';
import { openTileTree } from '../../src/log/tile-tree.ts';
import { formatEntry, parseEntry } from '../../src/published/log-entry.ts';
import { isPlainPath } from '../../src/targets/plain-paths.ts';
import { fuzz, fuzzAsync, mutatedBytes, mutatedJson, mutatedText } from '../support/fuzz.ts';
import { ENTRIES } from '../support/log-entries.ts';
import { LOG, memoryLog, readAll, VECTORS, WITNESS } from '../support/log-files.ts';

const PLACE = { file: 'FILE' };
const PROOF = readFileSync(new URL('../fixtures/log/entry-1-of-3.tlog-proof', import.meta.url));
const NOTE = PROOF.subarray(PROOF.indexOf('\n\n') + 2);

describe('files of logs', () => {
  it('notes and checkpoints', () => {
    fuzz(mutatedBytes([NOTE]), (bytes) => parseNote(bytes, PLACE), {
      check: ({ text, signatures }) => {
        expect(text).toMatch(/\n$/);
        for (const { name, id } of signatures)
          expect([isKeyName(name), id]).toEqual([true, expect.stringMatching(/^[0-9a-f]{8}$/)]);
      },
    });
    fuzz(mutatedText([`${VECTORS.origin}\n3\n${VECTORS.roots[3]}\n`]), (text) => parseCheckpointText(text, PLACE), {
      check: ({ size, root }) => expect([Number.isSafeInteger(size), root.length]).toEqual([true, 32]),
    });
    // Whatever is accepted is what was signed.
    fuzz(mutatedBytes([NOTE]), (bytes) => openCheckpoint(bytes, { log: LOG, witnesses: [WITNESS] }, PLACE), {
      runs: Math.ceil(Number(process.env['FUZZ_RUNS'] ?? 2000) / 4),
      check: ({ size, root }) => expect([size, root.toString('base64')]).toEqual([3, VECTORS.roots[3]]),
    });
  });

  it('keys and policies', () => {
    fuzz(mutatedText([VECTORS.logVkey, VECTORS.witnessVkey]), (text) => {
      expect(formatVkey(parseVkey(text, PLACE))).toBe(text);
    });
    const key = formatPrivateKey(LOG.name, Buffer.from(VECTORS.logSeed, 'hex'));
    fuzz(mutatedText([key]), (text) => parsePrivateKey(text, PLACE));
    const policy = `# x\nlog ${VECTORS.logVkey} https://a/\nwitness w ${VECTORS.witnessVkey}\ngroup g any w\nquorum g\n`;
    fuzz(mutatedBytes([policy]), (bytes) => parsePolicy(bytes, PLACE), {
      check: ({ logs }) => expect(logs.length).toBeGreaterThan(0),
    });
  });

  it('proofs, bundles and paths', () => {
    fuzz(mutatedBytes([PROOF]), (bytes) => {
      expect(formatProof(parseProof(bytes, PLACE))).toBe(Buffer.from(bytes).toString());
    });
    const bundle = Buffer.from(VECTORS.bundle, 'hex');
    fuzz(mutatedBytes([bundle]), (bytes) => parseBundle(bytes, 1, PLACE), {
      check: (all) => expect(all).toHaveLength(1),
    });
    fuzz(mutatedText(['tile/0/x001/x234/067', 'tile/entries/000.p/7']), (path) => {
      const tile = parseTilePath(path);
      if (tile) expect([tilePath(tile), isPlainPath(path)]).toEqual([path, true]);
    });
  });

  it('entries: what is accepted has these bytes and no others', () => {
    const same = (bytes: Uint8Array): void => {
      const entry = parseEntry(bytes, PLACE);
      if (entry) expect(formatEntry(entry)).toEqual([Buffer.from(bytes)]);
    };
    const samples = ENTRIES.flatMap(formatEntry);
    fuzz(mutatedBytes(samples), same);
    const values = samples.map((bytes) => JSON.parse(bytes.toString().split('\n')[1] ?? ''));
    fuzz(mutatedJson(values), (value) => same(Buffer.from(`atomic-nightly/1\n${JSON.stringify(value)}\n`)));
  });

  it('tiles: only what the root was signed for is read', async () => {
    const log = memoryLog(300);
    const head = { size: 300, root: log.roots.get(300) ?? Buffer.alloc(0) };
    for (const [path, content] of log.files) {
      await fuzzAsync(
        mutatedBytes([content]),
        async (bytes) => {
          await readAll(await openTileTree(async (name) => (name === path ? bytes : log.files.get(name)), head, 'log'));
          return bytes;
        },
        { runs: 40, check: (bytes) => expect(Buffer.from(bytes).equals(content)).toBe(true) },
      );
    }
  });
});
