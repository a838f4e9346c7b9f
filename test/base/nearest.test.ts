import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDistance, nearest } from '../../src/base/nearest.ts';

test('a mistyped word finds the meant one, a strange one finds none', () => {
  expect(nearest('pacakges', ['packages', 'repos'])).toBe('packages');
  expect(nearest('default_target', ['default-target', 'documentation'])).toBe('default-target');
  expect(nearest('xyzzy', ['packages', 'repos'])).toBeUndefined();
});

test('the distance is symmetric, zero only for equal words, and at most the longer length', () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      expect(distance).toBe(editDistance(b, a));
      expect(distance === 0).toBe(a === b);
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
  );
});
