import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBuildIds, isBuildId, nextBuildId, parseBuildId } from '../../src/build/build-id.ts';

const days = fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true });

test('I3: the next id was never given out that day, and sorts after all of them', () => {
  fc.assert(
    fc.property(days, fc.integer({ min: 0, max: 130 }), (day, builds) => {
      const taken: string[] = [];
      for (let count = 0; count < builds; count += 1) taken.push(nextBuildId(day, taken));
      const next = nextBuildId(day, taken);
      expect(taken).not.toContain(next);
      expect([...taken, next].sort(compareBuildIds)).toEqual([...taken, next]);
      expect(parseBuildId(next)?.count).toBe(builds + 1);
    }),
    { numRuns: 30 },
  );
});

test('I3: a gap below a taken id is not filled', () => {
  expect(nextBuildId(new Date('2026-11-21T03:00:00Z'), ['20261121_07', '20261120_09'])).toBe('20261121_08');
});

test('the day is the UTC day', () => {
  expect(nextBuildId(new Date('2026-11-21T23:30:00-05:00'), [])).toBe('20261122_01');
});

test.each(['20261121_1', '20261121_00', '20260231_01', '20261121', '20261121_001', 'x20261121_01', '20261121_01 '])(
  '%s is not a build id',
  (text) => {
    expect(isBuildId(text)).toBe(false);
  },
);

test('ids above 99 compare by number', () => {
  expect(['20261121_100', '20261121_99', '20261122_01'].sort(compareBuildIds)).toEqual([
    '20261121_99',
    '20261121_100',
    '20261122_01',
  ]);
});
