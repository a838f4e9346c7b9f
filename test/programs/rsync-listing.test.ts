import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linesOf } from '../../src/base/lines.ts';
import { run } from '../../src/programs/exec.ts';
import { parseListLine } from '../../src/programs/rsync-listing.ts';
import { temporaryFolder } from '../support/tmp.ts';

describe('what rsync lists', () => {
  it('is read as it is, whatever the names', async () => {
    const dir = temporaryFolder();
    const names = fc
      .sample(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), { numRuns: 150, seed: 7 })
      .map((name) => name.replace(/[/\0\p{Cs}]/gu, '_'));
    const escapes = ['\\#012', '\\#134#012', 'x\\#01', '\\#', 'a\nb', 'a\rb', 'a\tb', '\x7f', '\u2028', ' -> ', ' x '];
    const all = new Set([...names, ...escapes].filter((name) => !['.', '..'].includes(name)));
    mkdirSync(join(dir, 'in'));
    for (const [index, name] of [...all].entries()) writeFileSync(join(dir, 'in', name), 'x'.repeat(index * 17));
    const lines: string[] = [];
    const args = ['--recursive', '--list-only', '--no-human-readable', '--8-bit-output', `${dir}/in/`];
    await run('rsync', args, { onLine: (line) => lines.push(line) });
    const files = lines.map(parseListLine).filter(({ type }) => type === '-');
    const expected = [...all].map((path, index) => ({ type: '-', path, bytes: index * 17 }));
    const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : 1);
    expect(files.sort(byPath)).toEqual(expected.sort(byPath));
  });

  it('is refused where it is not understood: half a listing is none', () => {
    for (const line of [
      '',
      'Welcome to our mirror!',
      'builds/a',
      '-rw-r--r-- 12 builds/a',
      '-rw-r--r--          x 2026/11/21 10:00:00 builds/a',
      '-rw-r--r--          12 2026/11/21 10:00:00 ',
      '?rw-r--r--          12 2026/11/21 10:00:00 a',
      'skipping directory builds',
    ]) {
      expect(() => parseListLine(line), line).toThrow(/printed something unexpected/);
    }
  });

  it('never makes anything else than an entry or a message of any line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (line) => {
        try {
          expect(Number.isSafeInteger(parseListLine(line).bytes)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: 'unsupported' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('lines', () => {
  const read = async (chunks: readonly Uint8Array[], carriageReturns: boolean): Promise<string[]> => {
    const lines: string[] = [];
    for await (const line of linesOf(Readable.from(chunks), { carriageReturns })) lines.push(line);
    return lines;
  };

  it('are the same however the bytes arrive, and end at what ends a line alone', async () => {
    const text = fc.array(fc.constantFrom('a', 'é', '😀', '\n', '\r', '\u2028', ' '), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat({ max: 40 })), fc.boolean(), async (parts, cuts, carriageReturns) => {
        const whole = Buffer.from(parts.join(''));
        const at = [...new Set([0, ...cuts.filter((cut) => cut < whole.length), whole.length])].sort((a, b) => a - b);
        const chunks = at.slice(1).map((end, index) => whole.subarray(at[index], end));
        const expected = parts.join('').split(carriageReturns ? /\r\n|\n|\r/ : /\n/);
        if (expected.at(-1) === '') expected.pop();
        expect(await read(chunks, carriageReturns)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('come at once, also those that only a carriage return ends', async () => {
    const stream = new PassThrough();
    const lines = linesOf(stream, { carriageReturns: true });
    stream.write('10 %\r');
    expect((await lines.next()).value).toBe('10 %');
    stream.end('\nend');
    expect((await lines.next()).value).toBe('end');
  });
});
