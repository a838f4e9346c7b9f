import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ChartData, lines, stackedBars } from '../../../src/reports/pages/charts/chart.ts';
import { ticksUpTo } from '../../../src/reports/pages/charts/scale.ts';

test('ticks are few, even, from 0 to just above the highest value', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e13, noNaN: true }), fc.constantFrom(1, 60), (highest, unit) => {
      const { top, ticks } = ticksUpTo(highest, unit);
      expect(ticks[0]).toBe(0);
      expect(ticks.at(-1)).toBe(top);
      expect(top).toBeGreaterThanOrEqual(highest);
      expect(ticks.length).toBeLessThanOrEqual(6);
    }),
  );
  expect(ticksUpTo(340, 60).ticks).toEqual([0, 120, 240, 360]);
});

const value = fc.option(fc.double({ min: 0, max: 1e12, noNaN: true }), { nil: undefined });
const data = fc.integer({ min: 1, max: 30 }).chain((count) =>
  fc.array(fc.array(value, { minLength: count, maxLength: count }), { minLength: 1, maxLength: 6 }).map(
    (series): ChartData => ({
      ...{ id: 'c', title: 'T', description: 'D', firstColour: 0, unit: 1, format: String, axis: String },
      points: Array.from({ length: count }, (_, index) => ({ label: `n${index}`, href: '#' })),
      series: series.map((values, index) => ({ label: `s${index}`, values })),
    }),
  ),
);

test('bars stand on each other inside the box; the table tells each figure', () => {
  fc.assert(
    fc.property(data, (chart) => {
      const { bars, width, height, rows } = stackedBars(chart);
      for (const bar of bars) {
        expect(bar.x).toBeGreaterThanOrEqual(0);
        expect(bar.x + bar.width).toBeLessThanOrEqual(width);
        expect(bar.y).toBeGreaterThanOrEqual(0);
        expect(bar.y + bar.height).toBeLessThanOrEqual(height);
      }
      expect(rows.flatMap(({ cells }) => cells)).toHaveLength(chart.points.length * chart.series.length);
    }),
  );
});

test('a line is broken where a value is missing, and has a dot for each that is there', () => {
  const view = lines({
    ...{ id: 'c', title: 'T', description: 'D', firstColour: 1, unit: 1, format: String, axis: String },
    points: ['a', 'b', 'c', 'd'].map((label) => ({ label, href: '#' })),
    series: [{ label: 'tree', values: [10, 20, undefined, 20] }],
  });
  expect(view.lines.map(({ points }) => points.split(' ').length)).toEqual([2, 1]);
  expect(view.dots).toHaveLength(3);
  expect(view.rows.map(({ label, cells }) => [label, ...cells])).toEqual([
    ['d', '20'],
    ['c', '–'],
    ['b', '20'],
    ['a', '10'],
  ]);
});
