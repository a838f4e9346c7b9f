import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cycleAt } from '../../src/build/cycle.ts';
import type { CycleConfig } from '../../src/config/config.ts';

const DAY = 86_400;
const dayOf = (text: string): number => Date.parse(`${text}T00:00:00Z`) / 1000 / DAY;
const at = (text: string): number => Date.parse(text) / 1000;

const fourWeeks: CycleConfig = {
  startDay: dayOf('2026-01-06'),
  weeks: 4,
  upstream: {
    startDay: dayOf('2025-12-30'),
    weeks: 2,
    id: 'F{date}.{count}',
    releases: new Map([[dayOf('2026-01-27'), 'F43-respin']]),
  },
};

test('every fourth week maps to every other upstream release', () => {
  expect(cycleAt(fourWeeks, at('2026-01-06T00:00:00Z'))).toEqual({
    ...{ number: 1, due: '2026-01-06', week: 1, weeks: 4 },
    upstream: { id: 'F20251230.1', day: '2025-12-30' },
    next: { day: '2026-02-03', upstream: { id: 'F43-respin', day: '2026-01-27' } },
  });
  expect(cycleAt(fourWeeks, at('2026-02-02T23:59:59Z'))).toMatchObject({ number: 1, week: 4 });
  expect(cycleAt(fourWeeks, at('2026-02-03T00:00:00Z'))).toMatchObject({ number: 2, upstream: { id: 'F43-respin' } });
  expect(cycleAt(fourWeeks, at('2026-03-03T12:00:00Z'))).toMatchObject({ number: 3, upstream: { id: 'F20260224.5' } });
});

test('before the first candidate none is due', () => {
  expect(cycleAt({ startDay: dayOf('2026-01-06'), weeks: 4 }, at('2025-06-01T00:00:00Z'))).toEqual({
    ...{ number: 0, week: 0, weeks: 4, next: { day: '2026-01-06' } },
  });
});

test('each day is in one cycle, and the candidates of cycles map to upstream releases in even steps', () => {
  const weeks = fc.integer({ min: 1, max: 6 });
  const cycles = fc
    .record({
      start: fc.integer({ min: 15_000, max: 25_000 }),
      upstream: weeks,
      times: weeks,
      before: fc.integer({ min: 0, max: 90 }),
    })
    .map(
      ({ start, upstream, times, before }): CycleConfig => ({
        startDay: start,
        weeks: upstream * times,
        upstream: { startDay: start - before, weeks: upstream, id: '{count}', releases: new Map() },
      }),
    );
  fc.assert(
    fc.property(
      cycles,
      fc.integer({ min: 0, max: 3000 }),
      fc.integer({ min: 0, max: DAY - 1 }),
      (cycle, days, second) => {
        const state = cycleAt(cycle, (cycle.startDay + days) * DAY + second);
        const due = dayOf(state.due ?? '');
        const length = cycle.weeks * 7;
        expect(state.number).toBe(Math.floor(days / length) + 1);
        expect(due).toBe(cycle.startDay + (state.number - 1) * length);
        expect(dayOf(state.next.day)).toBe(due + length);
        expect(cycle.startDay + days).toBeGreaterThanOrEqual(due);
        expect(cycle.startDay + days).toBeLessThan(due + length);
        expect(state.week).toBe(Math.floor((cycle.startDay + days - due) / 7) + 1);
        // The newest upstream release up to that day, and every nth of them.
        const mapped = dayOf(state.upstream?.day ?? '');
        expect(due - mapped).toBeGreaterThanOrEqual(0);
        expect(due - mapped).toBeLessThan((cycle.upstream?.weeks ?? 0) * 7);
        const step = Number(state.next.upstream?.id) - Number(state.upstream?.id);
        expect(step).toBe(cycle.weeks / (cycle.upstream?.weeks ?? 1));
      },
    ),
  );
});
