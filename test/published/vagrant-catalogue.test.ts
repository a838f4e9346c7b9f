import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readRecord } from '../../src/base/read-record.ts';
import { compareBuildIds } from '../../src/build/build-id.ts';
import { run } from '../../src/programs/exec.ts';
import {
  BOX_CATALOGUE,
  type BoxCatalogue,
  type BoxProvider,
  boxVersion,
  withBoxVersion,
  withoutBoxVersions,
} from '../../src/published/vagrant-catalogue.ts';

const description = 'A host to try things on';
const box = (name: BoxProvider['name'], digit: string): BoxProvider => ({
  ...{ name, url: `https://example.org/${digit}/${name}.box` },
  ...{ checksum: digit.repeat(64), checksum_type: 'sha256' },
});
const release = (buildId: string, providers = [box('libvirt', 'a')]) => ({
  ...{ name: 'lab/atomic-host', description, buildId, providers },
});
const versions = (catalogue: BoxCatalogue) => catalogue.versions.map(({ version }) => version);

const buildIds = fc
  .tuple(
    fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }),
    fc.integer({ min: 1, max: 130 }),
  )
  .map(([day, count]) => `${day.toISOString().slice(0, 10).replaceAll('-', '')}_${String(count).padStart(2, '0')}`);
/** Many builds of few days, where the count decides. */
const builds = fc.uniqueArray(
  fc.oneof(
    buildIds,
    buildIds.map((id) => id.replace(/^\d+/, '20261121')),
  ),
  { minLength: 20, maxLength: 60 },
);

test('RubyGems orders box versions as the build ids are ordered', async () => {
  const sort = 'puts STDIN.read.split.map { |text| Gem::Version.new(text) }.sort';
  await fc.assert(
    fc.asyncProperty(builds, async (ids) => {
      const { stdout } = await run('ruby', ['-e', sort], { input: ids.map(boxVersion).join('\n') });
      expect(stdout.trimEnd().split('\n')).toEqual([...ids].sort(compareBuildIds).map(boxVersion));
    }),
    { numRuns: 8 },
  );
});

test('the newest version comes first, in whatever order they were added', () => {
  fc.assert(
    fc.property(builds, (ids) => {
      let catalogue: BoxCatalogue | undefined;
      for (const id of ids) catalogue = withBoxVersion(catalogue, release(id));
      expect(catalogue && versions(catalogue)).toEqual([...ids].sort(compareBuildIds).reverse().map(boxVersion));
    }),
    { numRuns: 30 },
  );
});

test('boxes of other providers stay in a version: another machine made them', () => {
  const first = withBoxVersion(undefined, release('20261121_01', [box('virtualbox', 'c'), box('libvirt', 'a')]));
  const again = withBoxVersion(first, release('20261121_01', [box('libvirt', 'b')]));
  expect(again.versions[0]?.providers.map(({ name, checksum }) => [name, checksum[0]])).toEqual([
    ['libvirt', 'b'],
    ['virtualbox', 'c'],
  ]);
});

test('boxes of a version that are there already are replaced', () => {
  const first = withBoxVersion(undefined, release('20261121_01'));
  const again = withBoxVersion(first, release('20261121_01', [box('libvirt', 'b'), box('virtualbox', 'c')]));
  expect(versions(again)).toEqual(['20261121.1']);
  expect(again.versions[0]?.providers.map(({ checksum }) => checksum[0])).toEqual(['b', 'c']);
  expect(versions(first)).toEqual(['20261121.1']);
});

test('pruned builds leave the catalogue, the others stay', () => {
  let catalogue = withBoxVersion(undefined, release('20261120_01'));
  for (const id of ['20261121_01', '20261121_10']) catalogue = withBoxVersion(catalogue, release(id));
  expect(versions(withoutBoxVersions(catalogue, ['20261121_01', '20250101_01']))).toEqual([
    '20261121.10',
    '20261120.1',
  ]);
});

test('a catalogue is read back as it was written, with fields that others added', () => {
  const catalogue = { ...withBoxVersion(undefined, release('20261121_01')), short_description: 'by hand' };
  const read = readRecord(JSON.stringify(catalogue), BOX_CATALOGUE, 'boxes.json');
  expect(read).toEqual(catalogue);
  expect(withBoxVersion(read, release('20261122_01'))).toMatchObject({ short_description: 'by hand' });
});

test.each(['', '{}', '{"name":"a","description":"b","versions":[{"version":"1.0","providers":[]}]}'])(
  'a catalogue that is not ours is refused: %s',
  (text) => {
    expect(() => readRecord(text, BOX_CATALOGUE, 'boxes.json')).toThrow(/^boxes\.json is damaged: /);
  },
);

test.each(['20261121', '20261121_1', '20261121.1', 'v20261121_01'])('%s has no box version', (text) => {
  expect(() => boxVersion(text)).toThrow(/not a build id/);
});
