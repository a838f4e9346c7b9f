import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changeFinder, packChanges } from '../../src/rpm/packed-changes.ts';
import type { PackageChange } from '../../src/rpm/pkgdiff.ts';

const upgraded = (name: string): PackageChange => [
  name,
  2,
  { PreviousPackage: [name, '1-1', 'x86_64'], NewPackage: [name, '2-1', 'x86_64'] },
];

test('what is found is what changed, whatever packages are called', () => {
  const name = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('a\tb', 'a\nb', 'a.b', 'a*', '(', '\\'));
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 6 }), name, (names, wanted) => {
      const packed = packChanges(names.map(upgraded));
      const found = changeFinder(wanted)(packed).map((one) => one.name);
      if (!wanted.includes('*')) expect(found).toEqual(names.filter((one) => one === wanted));
      expect(changeFinder('*')(packed)).toHaveLength(names.length);
    }),
  );
});

test('a star stands for any characters, and nothing else for any', () => {
  const packed = packChanges(['kernel', 'kernel-core', 'kernel.core', 'a-kernel'].map(upgraded));
  expect(changeFinder('kernel*')(packed).map(({ name }) => name)).toEqual(['kernel', 'kernel-core', 'kernel.core']);
  expect(changeFinder('*.core')(packed)).toEqual([{ name: 'kernel.core', word: 'upgraded', from: '1-1', to: '2-1' }]);
  const [added] = changeFinder('x')(packChanges([['x', 0, { NewPackage: ['x', '2:1-1', 'noarch'] }]]));
  expect(added).toEqual({ name: 'x', word: 'added', from: '', to: '2:1-1' });
});

test('a pattern finds what the regular expression of it finds', () => {
  const word = fc.array(fc.constantFrom('a', 'b', '-', '.'), { maxLength: 6 }).map((parts) => parts.join(''));
  const pattern = fc.array(fc.constantFrom('a', 'b', '.', '*'), { maxLength: 6 }).map((parts) => `*${parts.join('')}`);
  fc.assert(
    fc.property(fc.uniqueArray(word, { maxLength: 6 }), pattern, (names, wanted) => {
      const expected = new RegExp(`^${wanted.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
      const found = changeFinder(wanted)(packChanges(names.map(upgraded))).map(({ name }) => name);
      expect(found).toEqual(names.filter((name) => expected.test(name)));
    }),
  );
});

test('I12: no pattern keeps the service busy, however many stars it has', () => {
  const packed = packChanges(Array.from({ length: 200 }, (_, index) => upgraded(`${'a'.repeat(120)}${index}`)));
  // A regular expression tries every way to spread the name over the stars: more than there are atoms.
  expect(changeFinder(`${'*a'.repeat(60)}*b`)(packed)).toEqual([]);
  expect(changeFinder(`${'*a'.repeat(60)}*7`)(packed)).toHaveLength(20);
});
