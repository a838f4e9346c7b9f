import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readRecord, recordText } from '../../src/base/read-record.ts';
import { buildMetaText, readBuildMeta, storedMeta } from '../../src/build/build-record-format.ts';
import type { ImageFile } from '../../src/images/image.ts';
import { BUILD_INDEX } from '../../src/published/build-index.ts';
import { RETIRED } from '../../src/published/retired.ts';
import { parseSums } from '../../src/published/sha256sums.ts';
import { fullMeta } from '../support/build-meta.ts';
import { expectHarmless, FORMATS, SHA } from '../support/record-samples.ts';

/** Whatever a record may hold that would lead somewhere else, were it believed. */
const HOSTILE: readonly unknown[] = [
  '../../guard/x',
  '/etc/passwd',
  'a/../../b',
  'a\\..\\b',
  'x\0y',
  'x\ny',
  '\u202egpj',
  '__proto__',
  'constructor',
  '',
  '.',
  null,
  -1,
  [],
  {},
  true,
];

describe.each(FORMATS)('%s', (_, format, sample) => {
  it('is written as it was read, keys in their order, unknown ones too', () => {
    const text = `${JSON.stringify({ later: 1, ...(sample as object), 'extra-key': { 'a.b': [1] } }, null, 2)}\n`;
    expect(recordText(readRecord(text, format, 'x'), format)).toBe(text);
  });

  it.each([
    '',
    ' \n',
    'null',
    '{}',
    '[]',
    '"x"',
    '<html>404</html>',
    JSON.stringify(sample).slice(0, -3),
    '[{'.repeat(5000),
  ])('is refused, named, as %j', (text) => {
    // Everything in retired.json may be missing, as in one from before it was kept.
    if (format === RETIRED && text === '{}') return;
    expect(() => readRecord(text, format, 'builds/x.json on target "t"')).toThrow(
      expect.objectContaining({
        code: 'record',
        message: expect.stringMatching(/^builds\/x\.json on target "t" is damaged: /),
      }),
    );
  });
});

it('names what is wrong with builds that are plain ids', () => {
  const old = { 'schema-version': '1.0.0', builds: ['20261121_01'], timestamp: 'x' };
  expect(() => readRecord(JSON.stringify(old), BUILD_INDEX, 'builds.json')).toThrow(/builds > 0: .*plain ids/);
});

describe('meta.json', () => {
  const stored = (...of: readonly string[]) => storedMeta(fullMeta(...of));
  const build = { id: '20261121_02', arch: 'x86_64' };
  const read = (value: unknown) => readBuildMeta(JSON.stringify(value) ?? '', build, 'meta.json');

  it('as earlier versions wrote it has camelCase inside, and is written in the same bytes', () => {
    const golden = readFileSync(new URL('../fixtures/records/meta.golden', import.meta.url), 'utf8');
    const meta = readBuildMeta(golden, build, 'meta.json');
    expect(buildMetaText(meta)).toBe(golden);
    const { steps: _beside, advisories: _later, advisoriesUnread: _too, ...whole } = fullMeta();
    expect(meta).toMatchObject(whole);
    const keys = [...placesIn(meta)].flatMap(([first = '', ...rest]) => (rest.length === 0 ? [first] : []));
    expect(keys.filter((key) => !/^[a-z][A-Za-z0-9]*$/.test(key))).toEqual([]);
  });

  it('is refused under another id or architecture', () => {
    expect(() => read(stored('20261121_03'))).toThrow(/the record of build 20261121_03/);
    expect(() => read(stored('20261121_02', 'aarch64'))).toThrow(/aarch64/);
  });

  it('no hostile value of any field is both accepted and a path, an id, a ref or a checksum', () => {
    const ways = [...placesIn(stored())].flatMap((place) => HOSTILE.map((value) => [place, value] as const));
    expect(ways.length).toBeGreaterThan(1000);
    for (const [place, value] of ways) {
      try {
        expectHarmless(read(changed(stored(), place, value)));
      } catch (error) {
        expect(error, `${place.join('.')} = ${JSON.stringify(value)}`).toMatchObject({ code: 'record' });
      }
    }
  });

  it('an image cannot have the name of a record, or lie outside', () => {
    for (const path of [
      'meta.json',
      'SHA256SUMS.asc',
      'journal.ndjson',
      'logs/compose.log',
      '../x',
      'release/notes.md',
    ]) {
      const { images } = fullMeta();
      const image = { ...Object.values(images ?? {})[0], path } as ImageFile;
      expect(() => read(storedMeta({ ...fullMeta(), images: { iso: image } })), path).toThrow(/images > iso > path/);
    }
  });
});

describe('SHA256SUMS', () => {
  it.each(['../x', '/etc/passwd', 'a/../../b', 'a//b', './a', 'a\\b'])('does not list %s', (path) => {
    expect(() => parseSums(`${SHA}  ${path}\n`, 'f')).toThrow(/^f is damaged: line 1 names a path outside/);
  });
});

/** Where something stands in a value, keys first. */
function* placesIn(value: unknown, above: readonly string[] = []): Generator<readonly string[]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    yield [...above, key];
    yield* placesIn(member, [...above, key]);
  }
}

function changed(value: unknown, [key = '', ...rest]: readonly string[], to: unknown): unknown {
  const copy: unknown = structuredClone(value);
  if (typeof copy !== 'object' || copy === null) throw new Error('there is no such place');
  const member: unknown = Reflect.get(copy, key);
  Reflect.set(copy, key, rest.length === 0 ? to : changed(member, rest, to));
  return copy;
}
