import fc from 'fast-check';
import { expect, it } from 'vitest';
import { changeFinder, type FoundChange, packChanges } from '../../../src/rpm/packed-changes.ts';

interface Build {
  readonly id: string;
  readonly stream: string;
  readonly state: string;
  readonly begun: string;
}
type Asked = Readonly<Record<'package' | 'state' | 'stream' | 'since' | 'until', string>>;
interface SearchScript {
  nameMatcher(wanted: string): (name: string) => boolean;
  searchBuilds(index: object, asked: Asked): readonly { build: Build; changes?: readonly FoundChange[] }[];
}

/** The script as browsers load it. */
const script: SearchScript = await import(new URL('../../../page-templates/assets/search.js', import.meta.url).href);

it('published pages find the names that the live search finds', () => {
  const text = (of: readonly string[]) => fc.array(fc.constantFrom(...of), { maxLength: 7 }).map((all) => all.join(''));
  const pattern = text(['a', 'b', '.', '*', '(']).filter((wanted) => wanted !== '');
  fc.assert(
    fc.property(fc.uniqueArray(text(['a', 'b', '.', '(']), { maxLength: 6 }), pattern, (names, wanted) => {
      const packed = packChanges(names.map((name) => [name, 0, { NewPackage: [name, '1-1', 'noarch'] }]));
      const live = changeFinder(wanted)(packed).map(({ name }) => name);
      expect(names.filter(script.nameMatcher(wanted))).toEqual(live);
    }),
    { numRuns: 500 },
  );
});

const NOTHING: Asked = { package: '', state: '', stream: '', since: '', until: '' };
const INDEX = {
  builds: [
    { id: '20261123_01', stream: 'nightly', state: 'failed', begun: '2026-11-23T23:59:59Z' },
    { id: '20261122_01', stream: 'release', state: 'complete', begun: '2026-11-22T02:30:00Z' },
    { id: '20261121_01', stream: 'nightly', state: 'complete', begun: '2026-11-21T02:30:00Z' },
  ],
  packages: [
    ['kernel', [[2, 'upgraded', '1-1', '2-1']]],
    ['kernel-core', [[0, 'removed', '1-1', ''], [2, 'upgraded', '1-1', '2-1']]], // biome-ignore format: a table
  ],
};
const ids = (asked: Partial<Asked>) =>
  script.searchBuilds(INDEX, { ...NOTHING, ...asked }).map(({ build }) => build.id.slice(6, 8));

it('each thing that is asked for leaves out builds, newest first', () => {
  expect(ids({})).toEqual(['23', '22', '21']);
  expect(ids({ stream: 'nightly' })).toEqual(['23', '21']);
  expect(ids({ state: 'complete' })).toEqual(['22', '21']);
  expect(ids({ since: '2026-11-22' })).toEqual(['23', '22']);
  expect(ids({ until: '2026-11-23', since: '2026-11-23' })).toEqual(['23']);
  expect(ids({ package: 'kernel' })).toEqual(['21']);
  expect(ids({ package: 'kernel*', state: 'failed' })).toEqual(['23']);
  expect(ids({ package: 'nothing' })).toEqual([]);
  const [newest] = script.searchBuilds(INDEX, { ...NOTHING, package: 'kernel*' });
  expect(newest?.changes).toEqual([{ name: 'kernel-core', word: 'removed', from: '1-1', to: '' }]);
});
