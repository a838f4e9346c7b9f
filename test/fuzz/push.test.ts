import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteReader, EndedEarly } from '../../src/base/byte-reader.ts';
import { parseReceiveConfig } from '../../src/config/receive.ts';
import { parseProvenance } from '../../src/engines/provenance/provenance-format.ts';
import { ed25519SignaturesIn, hasSignature, mergedDetached, signaturesIn } from '../../src/ostree/commit-signatures.ts';
import { filezObject } from '../../src/ostree/filez.ts';
import { encodeVariant } from '../../src/ostree/gvariant.ts';
import { isRef } from '../../src/ostree/ref.ts';
import {
  HEADER_BYTES,
  idOfPath,
  MESSAGES,
  objectHeader,
  parseHeader,
  parseMessage,
  readMessage,
} from '../../src/publish/push/push-protocol.ts';
import { readBook } from '../../src/publish/receive/push-book.ts';
import { RECEIVE_FOLDER } from '../../src/publish/receive/staging.ts';
import { fuzz, fuzzAsync, mutatedBytes, mutatedJson, mutatedText } from '../support/fuzz.ts';
import { sharedFolder } from '../support/tmp.ts';

const SUM = 'ab'.repeat(32);
const dir = sharedFolder();
/** For readers that open a file, or make their schema, each time. */
const FEWER = { runs: Math.ceil(Number(process.env['FUZZ_RUNS'] ?? 2000) / 10) };

const SAMPLES = {
  hello: {
    push: 1,
    root: '',
    refs: [{ ref: 'a/b', commit: SUM, parent: SUM, tag: false }],
    older: false,
    deltas: true,
    keep: 3,
    dry: false,
  },
  fromPusher: { objects: 3, bytes: 100 },
  end: { end: 3 },
  state: { push: 1, refs: [{ at: SUM, base: SUM }] },
  have: { have: 10 },
  verdict: { accepted: { refs: [{ ref: 'a/b', from: SUM, to: SUM }], url: 'https://x/' } },
};

describe('what a push and its receiver say', () => {
  it.each(Object.keys(SAMPLES) as (keyof typeof SAMPLES)[])('%s', (name) => {
    const format = MESSAGES[name];
    const check = (value: object): void => {
      for (const { ref } of 'refs' in value && name === 'hello' ? (value.refs as { ref: string }[]) : [])
        expect(isRef(ref)).toBe(true);
    };
    const read = (line: string): object => parseMessage<object>(line, format);
    fuzz(mutatedJson([SAMPLES[name]]), (value) => read(JSON.stringify(value) ?? ''), { check });
    fuzz(mutatedText([JSON.stringify(SAMPLES[name])]), read, { check });
  });

  it('messages and objects, in whatever pieces', async () => {
    const path = `objects/${SUM.slice(0, 2)}/${SUM.slice(2)}.dirtree`;
    const stream = Buffer.concat([
      Buffer.from('{"objects":1,"bytes":5}\n'),
      objectHeader(path, 5),
      Buffer.from('abcde'),
    ]);
    await fuzzAsync(
      fc.tuple(mutatedBytes([stream]), fc.nat(60)),
      async ([bytes, cut]) => {
        const reader = byteReader(Readable.from([bytes.subarray(0, cut), bytes.subarray(cut)]));
        const said = await readMessage(reader, MESSAGES.fromPusher);
        const object = parseHeader(await reader.bytes(HEADER_BYTES));
        for await (const _ of reader.pieces(Math.min(object.bytes, 1000)));
        return [said, object] as const;
      },
      {
        refusals: [EndedEarly],
        check: ([, object]) => {
          expect(object.path).toMatch(/^objects\/[0-9a-f]{2}\/[0-9a-f]{62}\.\w+$/);
          expect(idOfPath(object.path)).toHaveLength(33);
        },
      },
    );
  });

  it('what is remembered of pushes', async () => {
    mkdirSync(join(dir, RECEIVE_FOLDER), { recursive: true });
    const book = { bytes: { one: 5 }, refs: [{ ref: 'a/b', name: 'one', at: '2026-11-21T00:00:00Z' }] };
    await fuzzAsync(
      mutatedText([JSON.stringify(book)]),
      async (text) => {
        writeFileSync(join(dir, RECEIVE_FOLDER, 'pushes.json'), text);
        return readBook(dir);
      },
      FEWER,
    );
  });

  it('the configuration of a receiver', () => {
    const config =
      'pushers:\n  one: {root: {main: /srv/repo}, refs: [a/*], allow: [older], quota: {push: 1 GiB}, hook: [./x, y], log: ./log}\n';
    // Its schemas are made for the folder of each file.
    fuzz(mutatedText([config]), (text) => parseReceiveConfig(text, '/x/receive.yaml'), FEWER);
  });
});

describe('what comes with a commit', () => {
  const header = encodeVariant('(tuuuusa(ayay))', [0n, 0, 0, 0, 0, '', []]);
  const length = Buffer.alloc(8);
  length.writeUInt32BE(header.length, 0);
  const object = Buffer.concat([length, header, deflateRawSync(Buffer.from('content'))]);

  it('files, packed', () => {
    fuzz(mutatedBytes([object]), filezObject, {
      check: (found) => {
        if (found) expect(found.checksum).toMatch(/^[0-9a-f]{64}$/);
      },
    });
  });

  it('signatures and other detached metadata', () => {
    const detached = encodeVariant('a{sv}', [
      ['ostree.gpgsigs', { type: 'aay', value: [Uint8Array.of(1, 2, 3)] }],
      ['ostree.sign.ed25519', { type: 'aay', value: [Uint8Array.of(4)] }],
    ]);
    class Plain extends Error {}
    fuzz(
      mutatedBytes([detached]),
      (bytes) => {
        hasSignature(bytes);
        signaturesIn(bytes);
        ed25519SignaturesIn(bytes);
        try {
          return mergedDetached(bytes, detached);
        } catch (error) {
          if (error instanceof Error && error.constructor === Error) throw new Plain(error.message);
          throw error;
        }
      },
      { refusals: [Plain] },
    );
  });

  it('provenance.json', () => {
    const provenance = {
      version: 1,
      packages: [{ nevra: 'a-1-1.noarch', header: `sha256:${SUM}`, key: null }],
      debs: [{ name: 'a', version: '1', arch: 'amd64' }],
      components: [{ name: 'c', sources: [{ kind: 'git', url: 'https://x', commit: SUM }] }],
    };
    fuzz(mutatedJson([provenance]), (value) => parseProvenance(JSON.stringify(value) ?? '', 'FILE'));
    fuzz(mutatedText([JSON.stringify(provenance)]), (text) => parseProvenance(text, 'FILE'));
  });
});
