import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBuildIds, comparePlaced, isBuildId, nextBuildId, parseBuildId } from '../../src/build/build-id.ts';

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

test('a night that was taken back stands before what took it back, whatever its date', () => {
  const future = { id: '20280103_01', retractedBy: '20261129_03' };
  const past = { id: '20261129_02', retractedBy: '20261129_04' };
  const all = [
    future,
    past,
    { id: '20261129_01' },
    { id: '20261129_03' },
    { id: '20261129_04' },
    { id: '20261130_01' },
  ];
  const order = ['20261129_01', '20261129_02', '20280103_01', '20261129_03', '20261129_04', '20261130_01'];
  expect(all.toSorted(comparePlaced).map(({ id }) => id)).toEqual(order);
  expect(
    all
      .toReversed()
      .toSorted(comparePlaced)
      .map(({ id }) => id),
  ).toEqual(order);
});
