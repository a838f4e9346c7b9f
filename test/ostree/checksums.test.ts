import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sha256 } from '../../src/base/files.ts';
import { checksumList, checksumSet } from '../../src/ostree/checksums.ts';

it('holds what was added and nothing else, in the order of a list', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5000), { maxLength: 4000 }), (numbers) => {
      const [set, list, expected] = [checksumSet(), checksumList(), new Set<string>()];
      for (const checksum of numbers.map((number) => sha256(`${number}`))) {
        expect(set.add(checksum)).toBe(!expected.has(checksum));
        if (!expected.has(checksum)) list.push(checksum);
        expected.add(checksum);
      }
      expect(set.size).toBe(expected.size);
      expect([...list]).toEqual([...expected]);
      for (let number = 0; number < 200; number += 1) {
        const checksum = sha256(`${number}`);
        expect(set.has(checksum)).toBe(expected.has(checksum));
      }
    }),
    { numRuns: 20 },
  );
});

it('tells checksums apart that share their first and last words', () => {
  const set = checksumSet();
  const near = ['0', '1', '2', 'f'].map((digit) => `${'a'.repeat(20)}${digit}${'b'.repeat(43)}`);
  for (const checksum of near) expect(set.add(checksum)).toBe(true);
  for (const checksum of near) expect(set.add(checksum)).toBe(false);
  expect(set.has(`${'a'.repeat(20)}3${'b'.repeat(43)}`)).toBe(false);
});
