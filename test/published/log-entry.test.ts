import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBundle } from '../../src/log/bundle.ts';
import { type EntryOf, formatEntry, isSameEntry, type LogEntry, parseEntry } from '../../src/published/log-entry.ts';
import { CHECKPOINT_PATH, commitProofPath, logPath, proofPath } from '../../src/published/paths.ts';
import { isPlainPath } from '../../src/targets/plain-paths.ts';
import { anyBuild, ENTRIES } from '../support/log-entries.ts';

const PLACE = { file: 'log/tile/entries/000.p/1' };
const HEADER = 'atomic-nightly/1\n';
const textOf = (entry: LogEntry): string => String(formatEntry(entry)[0]);
const read = (text: string | Uint8Array) => parseEntry(Buffer.from(text), PLACE);

describe('entries of the release log', () => {
  it('have one spelling', () => {
    const [ref] = ENTRIES;
    expect(ref && textOf(ref)).toBe(
      `${HEADER}{"commit":"${'c'.repeat(64)}","kind":"ref","parent":"${'b'.repeat(64)}","ref":"atomic/x86_64/nightly","timestamp":1795000000,"version":"20261121_01"}\n`,
    );
    for (const entry of ENTRIES) {
      const [bytes = Buffer.alloc(0), ...more] = formatEntry(entry);
      expect([read(bytes), more]).toEqual([entry, []]);
      // Keys in another order, blanks, an escape or a line more or less are other bytes, so another leaf.
      const json = bytes.toString().slice(HEADER.length, -1);
      const turned = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(json)).reverse()));
      for (const other of [
        turned,
        json.replace(':', ': '),
        json.replace('"kind"', '"k\\u0069nd"'),
        `${json}\n`,
        `${json} `,
      ])
        expect(() => read(`${HEADER}${other}\n`)).toThrow(/This entry is (?:not in the one spelling|damaged)/);
      for (const other of [`${HEADER}${json}`, `${HEADER.trimEnd()}\r\n${json}\n`])
        expect(() => read(other)).toThrow(/This entry (?:is damaged|begins with)/);
      expect(read(`\ufeff${HEADER}${json}\n`)).toBeUndefined();
    }
  });

  it('round trips: whatever is written is read as it was, in whatever order it was given', () => {
    fc.assert(
      fc.property(anyBuild, fc.nat(), (entry, turn) => {
        const { files } = entry as EntryOf<'build'>;
        const bytes = formatEntry(entry);
        const turned = [...files.slice(turn % 31), ...files.slice(0, turn % 31)];
        expect(formatEntry({ ...(entry as EntryOf<'build'>), files: turned })).toEqual(bytes);
        for (const one of bytes) expect(formatEntry(read(one) as LogEntry)).toEqual([one]);
      }),
    );
  });

  it('names all that is wrong, and refuses what a later version wrote', () => {
    const wrong = `${HEADER}{"arch":"../x","commit":"c","files":[{"path":"../x","sha256":"0","size":-1}],"id":"1","kind":"build","more":1,"record":{},"stream":"a/b","sums":{}}\n`;
    const message = (() => {
      try {
        return read(wrong);
      } catch (error) {
        return String(error);
      }
    })();
    for (const part of ['stream: must be a name', 'id: must be a build id', 'arch: must be', 'commit: must be', 'more'])
      expect(message).toContain(part);
    expect(() => read('atomic-nightly/2\n{}\n')).toThrow(
      'written by a newer atomic-nightly: it begins with "atomic-nightly/2", this one reads "atomic-nightly/1"',
    );
    expect(read('someone/1\n{}\n')).toBeUndefined();
    expect(read(Buffer.of(0xff, 0xfe))).toBeUndefined();
  });

  it('refuses lists out of order, files twice, paths that lead out and text that is none', () => {
    const sample = (kind: string): string => textOf(ENTRIES.find((entry) => entry.kind === kind) as LogEntry);
    const build = sample('build');
    const files = JSON.parse(build.slice(HEADER.length)).files.map((one: unknown) => JSON.stringify(one));
    const withFiles = (...some: string[]) => build.replace(files.join(), some.join());
    expect(withFiles(...files)).toBe(build);
    for (const text of [
      withFiles(files[1], files[0], files[2]),
      withFiles(files[0], files[0]),
      withFiles(files[0].replace('images/', 'images/../')),
      withFiles(files[0].replace('atomic', 'a\\"b')),
      withFiles(files[0].replace('12', '1.5')),
      withFiles(files[0].replace('12', '9007199254740993')),
      sample('withdraw').replace('boot', 'bo\\ud800ot'),
      sample('withdraw').replace('boot', 'bo\\u0000ot'),
      sample('rpms').replace('repomd.xml', 'other.xml'),
    ])
      expect(() => read(text)).toThrow(/This entry is damaged/);
  });

  it('are divided when they are too long for the log, and every file is in one part', () => {
    const all = Array.from({ length: 2500 }, (_, index) => ({
      path: `logs/step-${'x'.repeat(index % 90)}-${String(index).padStart(4, '0')}.log`,
      sha256: 'f'.repeat(64),
      size: index,
    })).toSorted((a, b) => (a.path < b.path ? -1 : 1));
    const sample = ENTRIES.find(({ kind }) => kind === 'build-changed') as EntryOf<'build-changed'>;
    const gone = all.map((one) => `old/${one.path}`);
    const parts = formatEntry({ ...sample, files: all, gone });
    expect(parts.length).toBeGreaterThan(5);
    formatBundle(parts);
    for (const bytes of parts.slice(0, -1)) expect(bytes.length).toBeGreaterThan(65_000);
    const entries = parts.map((bytes) => read(bytes) as EntryOf<'build-changed'>);
    expect(entries.map(({ part }) => part)).toEqual(parts.map((_, index) => ({ number: index + 1, of: parts.length })));
    expect(entries.flatMap((one) => one.files)).toEqual(all);
    expect(entries.flatMap((one) => one.gone)).toEqual(gone);
    const [first] = entries;
    for (const one of entries) expect(first && isSameEntry(first, one)).toBe(true);
    expect(first && isSameEntry(first, { ...first, commit: '0'.repeat(64) })).toBe(false);
    expect(() => formatEntry({ kind: 'key', use: 'log', current: all.map((one) => `${one.path}`), next: [] })).toThrow(
      'An entry of kind key is too long for the log.',
    );
  });

  it('lie below log/, and their proofs beside what they prove', () => {
    const paths = [
      logPath('tile/entries/000.p/1'),
      CHECKPOINT_PATH,
      proofPath('builds/20261121_01/x86_64/SHA256SUMS'),
      commitProofPath('atomic/x86_64/nightly', 'c'.repeat(64)),
    ];
    for (const path of paths) expect([path.startsWith('log/'), isPlainPath(path)]).toEqual([true, true]);
  });
});
