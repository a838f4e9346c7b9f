import { describe, expect, it } from 'vitest';
import { NightlyError } from '../../src/base/errors.ts';
import { openCheckpoint } from '../../src/log/checkpoint.ts';
import { cosign } from '../../src/log/cosignature.ts';
import { proveInclusion } from '../../src/log/inclusion.ts';
import { signatureLine } from '../../src/log/note.ts';
import { formatProof, parseProof, verifyProof } from '../../src/log/proof-file.ts';
import { openTileTree } from '../../src/log/tile-tree.ts';
import { entryOf, LOG, memoryLog, readAll, WITNESS } from '../support/log-files.ts';

const KEYS = { log: LOG, witnesses: [WITNESS] };
const PLACE = { file: 'FILE' };

/** The program's own refusal, with a place; anything else that is thrown is a fault of the reader. */
async function expectRefused(work: () => unknown): Promise<NightlyError> {
  let error: unknown;
  try {
    await work();
  } catch (thrown) {
    error = thrown;
  }
  if (!(error instanceof NightlyError)) throw new Error(`accepted, or failed in another way: ${String(error)}`);
  expect([error.code, error.place?.file]).toEqual(['log', expect.stringMatching(/^(FILE|log\/tile\/.*)$/)]);
  return error;
}

describe('a forged log is refused', () => {
  it('every hash of every tile, those of the right edge too, and every entry', async () => {
    const { files, open, roots } = memoryLog(300);
    await readAll(await open());
    for (const [path, content] of files) {
      for (let at = 0; at < content.length; at += path.includes('entries') ? 9 : 32) {
        const forged = new Map(files).set(path, Buffer.from(content));
        const bytes = forged.get(path) ?? Buffer.alloc(0);
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        const head = { size: 300, root: roots.get(300) ?? Buffer.alloc(0) };
        const { place } = await expectRefused(async () =>
          readAll(await openTileTree(async (name) => forged.get(name), head, 'log')),
        );
        // What is named is the file that was changed, but where only the root tells that one of several was.
        if (!path.includes('.p/') || path.includes('entries')) expect(place?.file).toBe(`log/${path}`);
      }
    }
  });

  it('tiles that are missing, cut short, swapped, or of another size of the log', async () => {
    const { files, roots } = memoryLog(300, 600);
    const open = async (changed: ReadonlyMap<string, Buffer>, size = 600) => {
      const head = { size, root: roots.get(600) ?? Buffer.alloc(0) };
      await readAll(await openTileTree(async (name) => changed.get(name), head, 'log'));
    };
    await open(files);
    const used = [...files.keys()].filter((path) => !path.endsWith('.p/44') && !path.endsWith('1/000.p/1'));
    for (const path of used) {
      const content = files.get(path) ?? Buffer.alloc(0);
      const without = new Map(files);
      without.delete(path);
      await expectRefused(() => open(without));
      for (const length of [0, 1, content.length - 1])
        await expectRefused(() => open(new Map(files).set(path, content.subarray(0, length))));
      await expectRefused(() => open(new Map(files).set(path, Buffer.concat([content, Buffer.alloc(1)]))));
    }
    const swapped = new Map(files).set('tile/0/000', files.get('tile/0/001') ?? Buffer.alloc(0));
    await expectRefused(() => open(swapped));
    for (const size of [599, 601, 1, 256, 2 ** 40]) await expectRefused(() => open(files, size));
  });

  it('a part whose tile is full by now may be gone', async () => {
    const log = memoryLog(300, 600);
    for (const path of [...log.files.keys()].filter((one) => one.endsWith('.p/44'))) log.files.delete(path);
    await readAll(await log.open(300));
  });

  it('every byte of a checkpoint and of its signatures, the time of a witness too', async () => {
    const { checkpoint } = memoryLog(3);
    const text = checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1);
    const line = signatureLine(cosign(text, 1_700_000_000, WITNESS));
    const good = Buffer.from(checkpoint + line);
    expect(openCheckpoint(good, KEYS, PLACE).cosigned.size).toBe(1);
    for (let at = 0; at < good.length; at += 1) {
      for (const bit of [1, 2, 32]) {
        const bytes = Buffer.from(good);
        bytes[at] = (bytes[at] ?? 0) ^ bit;
        // A signature under another name or id is that of a stranger, and proves nothing.
        const outcome = await Promise.resolve()
          .then(() => openCheckpoint(bytes, KEYS, PLACE))
          .then(({ size, cosigned }) => ({ size, cosigned: cosigned.size }))
          .catch((error: unknown) => error);
        if (outcome instanceof NightlyError) expect(outcome.code).toBe('log');
        else expect([at >= checkpoint.length, outcome]).toEqual([true, { size: 3, cosigned: 0 }]);
      }
    }
    // The signature of another time, under the witness's right id.
    const later = signatureLine({
      ...cosign(text, 1_700_000_000, WITNESS),
      signature: Buffer.concat([
        Buffer.from('0000000065ffffff', 'hex'),
        cosign(text, 1_700_000_000, WITNESS).signature.subarray(8),
      ]),
    });
    await expectRefused(() => openCheckpoint(Buffer.from(checkpoint + later), KEYS, PLACE));
    await expectRefused(() => openCheckpoint(Buffer.from(`${text}\n${line}`), KEYS, PLACE));
    await expectRefused(() => openCheckpoint(Buffer.from(checkpoint + line.repeat(100)), KEYS, PLACE));
  });

  it('every line of a proof', async () => {
    const { checkpoint, open } = memoryLog(13);
    const hashes = await proveInclusion((await open()).nodeOf, 5, 13);
    const verify = (text: string, entry = entryOf(5)) =>
      verifyProof(parseProof(Buffer.from(text), PLACE), entry, KEYS, PLACE);
    const good = formatProof({ extra: entryOf(5), index: 5, hashes, checkpoint });
    expect(verify(good).size).toBe(13);
    await expectRefused(() => verify(good, entryOf(6)));
    const lines = good.split('\n');
    for (const [at, line] of lines.entries()) {
      if (line.startsWith('extra ')) continue;
      const forgeries = [
        `${line}x`,
        ` ${line}`,
        line.replace(/[A-Za-z0-9+/]/, (letter) => (letter === 'A' ? 'B' : 'A')),
        line.replace(/\d+/, (digits) => String(Number(digits) + 1)),
        line.replace(/\d+/, '05'),
      ];
      const changed = forgeries.filter((one) => one !== line).map((one) => lines.with(at, one).join('\n'));
      for (const text of [...changed, lines.toSpliced(at, 1).join('\n'), lines.toSpliced(at, 0, line).join('\n')]) {
        // The log's signature twice is still its signature.
        const isTwice = line.startsWith('\u2014') && text.length > good.length + 20;
        if (text !== good && !isTwice) await expectRefused(() => verify(text));
      }
    }
  });
});
