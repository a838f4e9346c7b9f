import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { packSearchIndex, readSearchIndex, type SearchedBuild } from '../../src/published/search-index.ts';
import { CHANGE_WORDS } from '../../src/rpm/pkgdiff.ts';

const target = { name: 'mirror' };

const build = (at: number, changes: SearchedBuild['changes']): SearchedBuild => {
  const day = new Date(Date.UTC(2010, 0, 1) + at * 86_400_000).toISOString();
  const id = `${day.slice(0, 10).replaceAll('-', '')}_01`;
  const about = { stream: 'nightly', state: 'complete', released: '', summary: `${changes.length} upgraded` } as const;
  return { id, arch: 'x86_64', begun: day, ...about, changes };
};

it('is read as it was written, and the same builds give the same bytes', () => {
  const text = fc.string({ maxLength: 8 });
  const change = fc.record({ name: text, word: fc.constantFrom(...CHANGE_WORDS), from: text, to: text });
  const byName = (changes: SearchedBuild['changes']) => changes.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 6 }), (all) => {
      const builds = all.map((changes, at) => build(at, changes));
      const written = packSearchIndex({ builds, without: ['20261121_01/x86_64'] });
      const read = readSearchIndex(written, target);
      expect(read.builds).toEqual(builds.map((one) => ({ ...one, changes: byName(one.changes) })));
      expect(read.without).toEqual(['20261121_01/x86_64']);
      expect(packSearchIndex(read)).toEqual(written);
    }),
  );
});

it.each([
  ['no gzip', Buffer.from('{}'), 'it does not unpack'],
  ['cut short', packSearchIndex({ builds: [build(0, [])], without: [] }).subarray(0, 40), 'it does not unpack'],
  ['256 MB of nothing in a few bytes', gzipSync(Buffer.alloc((256 << 20) + 1)), 'it does not unpack'],
  ['of a later version', gzipSync('{"version":2,"builds":[],"packages":[],"without":[]}'), 'version'],
  [
    'with a build that is not there',
    gzipSync('{"version":1,"builds":[],"packages":[["a",[[0,"added","","1"]]]],"without":[]}'),
    '"a" names build 0 of 0',
  ],
])('one that is %s is refused and named', (_, content, why) => {
  const refused = () => readSearchIndex(content, target);
  expect(refused).toThrow(expect.objectContaining({ code: 'unsupported' }));
  expect(refused).toThrow('search/builds.json.gz on target "mirror"');
  expect(refused).toThrow(why);
});

// The bar for what a visitor loads. Twenty upgrades a night, as CentOS Stream has them with 1,500 packages.
it('has 5,000 builds in less than 1 MB', () => {
  const versions = new Map<number, number>();
  const builds = Array.from({ length: 5000 }, (_, at) =>
    build(
      at,
      Array.from({ length: 20 }, (__, index) => {
        // A linear congruential generator's order: some packages change often, most seldom.
        const which = (at * 7919 + index * index * 104_729) % 1500;
        const before = versions.get(which) ?? 1;
        versions.set(which, before + 1);
        const version = (number: number) => `${1 + (which % 9)}.${number >> 3}.${number % 8}-${(number % 5) + 1}.el9`;
        return { name: `package-${which}`, word: 'upgraded', from: version(before), to: version(before + 1) } as const;
      }),
    ),
  );
  const written = packSearchIndex({ builds: builds.toReversed(), without: [] });
  expect(written.length).toBeLessThan(1_000_000);
  expect(gunzipSync(written).length).toBeGreaterThan(3_000_000);
});
