import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ScheduleConfig } from '../../src/config/config.ts';
import { missedMoment, startOf } from '../../src/service/schedule.ts';

const nightly: ScheduleConfig = { cron: '0 2 * * *', timeZone: 'UTC', jitterSeconds: 0, catchUpSeconds: 43_200 };
const at = (text: string): Date => new Date(text);

test('the last missed moment is found, and nothing that is older than the catch-up', () => {
  const missed = (after: string, now: string) => missedMoment(nightly, at(after), at(now));
  expect(missed('2026-11-20T02:00:00Z', '2026-11-21T09:00:00Z')).toEqual(at('2026-11-21T02:00:00Z'));
  expect(missed('2026-11-01T02:00:00Z', '2026-11-21T09:00:00Z')).toEqual(at('2026-11-21T02:00:00Z'));
  expect(missed('2026-11-21T02:00:00Z', '2026-11-21T09:00:00Z')).toBeUndefined();
  expect(missed('2026-11-20T02:00:00Z', '2026-11-21T14:00:01Z')).toBeUndefined();
  expect(missed('2026-11-20T02:00:00Z', '2026-11-21T02:00:00Z')).toEqual(at('2026-11-21T02:00:00Z'));
  expect(missed('2026-11-20T02:00:00Z', '2026-11-21T01:59:59Z')).toBeUndefined();
});

test('a clock that went back has missed nothing', () => {
  expect(missedMoment(nightly, at('2026-11-22T02:00:00Z'), at('2026-11-21T09:00:00Z'))).toBeUndefined();
});

test('moments are those of the time zone, on both sides of a change of the clocks', () => {
  const berlin = { ...nightly, timeZone: 'Europe/Berlin' };
  const missed = (now: string) => missedMoment(berlin, at('2026-01-01T00:00:00Z'), at(now));
  expect(missed('2026-07-01T08:00:00Z')).toEqual(at('2026-07-01T00:00:00Z'));
  expect(missed('2026-12-01T08:00:00Z')).toEqual(at('2026-12-01T01:00:00Z'));
});

test('with seconds: any second of the window is found', () => {
  const often = { ...nightly, cron: '*/7 30 2 * * *', catchUpSeconds: 3600 };
  expect(missedMoment(often, at('2026-11-20T00:00:00Z'), at('2026-11-21T02:45:00Z'))).toEqual(
    at('2026-11-21T02:30:56Z'),
  );
  const at9 = { ...nightly, cron: '9 0 2 * * *' };
  expect(missedMoment(at9, at('2026-11-20T00:00:00Z'), at('2026-11-21T02:45:00Z'))).toEqual(at('2026-11-21T02:00:09Z'));
  expect(missedMoment(at9, at('2026-11-21T01:00:00Z'), at('2026-11-21T02:00:08Z'))).toBeUndefined();
});

test('jitter is within its bounds, the same for the same moment, and uses the whole of them', () => {
  const seen: number[] = [];
  fc.assert(
    fc.property(
      fc.string(),
      fc.integer({ min: 0, max: 86_400 }),
      fc.integer({ min: 0, max: 1e9 }),
      (stream, jitterSeconds, s) => {
        const moment = new Date(s * 1000);
        const schedule = { ...nightly, jitterSeconds };
        const late = startOf(stream, schedule, moment).getTime() - moment.getTime();
        expect(late).toBeGreaterThanOrEqual(0);
        expect(late).toBeLessThanOrEqual(jitterSeconds * 1000);
        expect(startOf(stream, schedule, moment).getTime() - moment.getTime()).toBe(late);
        if (jitterSeconds > 0) seen.push(late / (jitterSeconds * 1000));
      },
    ),
    { numRuns: 500 },
  );
  expect(Math.min(...seen)).toBeLessThan(0.1);
  expect(Math.max(...seen)).toBeGreaterThan(0.9);
});
