import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type RecordFormat, readRecord, recordText } from '../../src/base/read-record.ts';
import { buildMetaText, readBuildMeta, storedMeta } from '../../src/build/build-record-format.ts';
import { isBuildFolder, isPathBelow } from '../../src/build/record-values.ts';
import type { ImageFile } from '../../src/images/image.ts';
import { BUILD_INDEX } from '../../src/published/build-index.ts';
import { PRUNE_EPOCH } from '../../src/published/epoch-format.ts';
import { PROMOTED, RETIRED } from '../../src/published/retired.ts';
import { parseSums } from '../../src/published/sha256sums.ts';
import { LATEST_POINTER, RELEASE_INDEX, STREAM_METADATA, TESTED_POINTER } from '../../src/published/stream-files.ts';
import { fullMeta } from '../support/build-meta.ts';
import { fuzz, mutatedJson, mutatedText } from '../support/fuzz.ts';

/** Fewer for each of so many formats. */
const RUNS = { runs: Number(process.env['FUZZ_RUNS'] ?? 300) };

const SHA = 'cd'.repeat(32);
const entry = { build: '20261121_01', commit: SHA, ref: 'a/b' };

const FORMATS: readonly (readonly [name: string, format: RecordFormat<unknown>, sample: unknown])[] = [
  [
    'builds.json',
    BUILD_INDEX,
    {
      'schema-version': '1.0.0',
      builds: [{ id: '20261121_01', arches: ['x86_64'] }],
      timestamp: '2026-11-21T00:00:00Z',
    },
  ],
  [
    'retired.json',
    RETIRED,
    {
      commits: {
        [SHA]: {
          ref: 'a/b',
          version: '20261121_01',
          timestamp: 1,
          since: '2026-11-21T00:00:00Z',
          tree: SHA,
          meta: SHA,
        },
      },
      apart: { [SHA]: 'a/b' },
      builds: { '20261121_01/x86_64': { images: '2026-11-21T00:00:00Z' } },
    },
  ],
  ['promoted.json', PROMOTED, { commits: { [SHA]: { build: '20261121_01', release: '20261121_02' } } }],
  [
    'prune.json',
    PRUNE_EPOCH,
    { epoch: 1, deleting: { token: 't', host: 'h', boot: 'b', pid: 1, since: '2026-11-21T00:00:00Z' } },
  ],
  ['tested.json', TESTED_POINTER, { stream: 'nightly', arches: { x86_64: entry } }],
  ['latest.json', LATEST_POINTER, { stream: 'nightly', arches: { x86_64: { ...entry, notes: 'https://x/notes' } } }],
  [
    'releases.json',
    RELEASE_INDEX,
    {
      note: 'x',
      stream: 'release',
      metadata: { 'last-modified': 'then' },
      releases: [{ version: '20261121_01', commits: [{ architecture: 'x86_64', checksum: SHA }], metadata: 'u' }],
    },
  ],
  [
    'streams/NAME.json',
    STREAM_METADATA,
    {
      stream: 'nightly',
      metadata: { 'last-modified': 'then', generator: 'x' },
      architectures: {
        x86_64: {
          artifacts: {
            iso: {
              release: '20261121_01',
              formats: { iso: { disk: { location: 'u', sha256: SHA, 'uncompressed-sha256': SHA } } },
            },
          },
          images: {},
        },
      },
    },
  ],
];

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

  it('is accepted or refused, whatever is changed in it', () => {
    fuzz(mutatedText([JSON.stringify(sample)]), (text) => readRecord(text, format, 'x'), RUNS);
    fuzz(mutatedJson([sample]), (value) => readRecord(JSON.stringify(value) ?? '', format, 'x'), RUNS);
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
    const { steps: _beside, ...whole } = fullMeta();
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

  it('is accepted or refused, whatever is changed in it', () => {
    fuzz(mutatedJson([stored()]), read, { ...RUNS, check: expectHarmless });
    fuzz(mutatedText([JSON.stringify(stored())]), (text) => readBuildMeta(text, build, 'x'), {
      ...RUNS,
      check: expectHarmless,
    });
  });
});

describe('SHA256SUMS', () => {
  it.each(['../x', '/etc/passwd', 'a/../../b', 'a//b', './a', 'a\\b'])('does not list %s', (path) => {
    expect(() => parseSums(`${SHA}  ${path}\n`, 'f')).toThrow(/^f is damaged: line 1 names a path outside/);
  });

  it('lists only what lies below its folder, whatever is changed in it', () => {
    fuzz(mutatedText([`${SHA}  meta.json\n${SHA} *images/x.iso\n`]), (text) => parseSums(text), {
      ...RUNS,
      check: (sums) => expect(sums.every(({ path }) => isPathBelow(path))).toBe(true),
    });
  });
});

function expectHarmless(meta: ReturnType<typeof readBuildMeta>): void {
  expect(isBuildFolder(`${meta.buildid}/${meta.basearch}`)).toBe(true);
  const images = [...Object.values(meta.images ?? {}), ...Object.values(meta.refusedImages ?? {})];
  const paths = images.map(({ path }) => path);
  const copy = meta.treefileCopy;
  for (const path of [...paths, ...(copy === undefined ? [] : [copy])]) expect(isPathBelow(path)).toBe(true);
  const names = [...Object.keys(meta.images ?? {}), ...(meta.published ?? []), ...meta.ref.split('/')];
  for (const name of names) expect(name).toMatch(/^\w[\w.-]*$/);
  const commit = meta.ostreeCommit;
  if (commit !== undefined) expect(commit).toMatch(/^[0-9a-f]{64}$/);
}

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
