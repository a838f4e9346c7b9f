import { validate } from 'node-cron';
import { z } from 'zod';
import { block } from './block.ts';
import { durationSeconds } from './duration.ts';
import { wait, waitText } from './values.ts';

/** The `schedule` of a nightly stream. A moment is what the expression names; the build begins up to the jitter later. */
export const scheduleSchema = block(
  {
    cron: z
      .string()
      .refine((text) => validate(text), {
        error: 'is not a cron expression: minute hour day-of-month month day-of-week, as in "0 2 * * *"',
      })
      .describe('When a nightly build starts; with six fields, the first is the second.'),
    'time-zone': z
      .string()
      .refine(isTimeZone, { error: 'is not a time zone, as in UTC or Europe/Berlin' })
      .default('UTC'),
    jitter: wait
      .optional()
      .describe('Begin up to this much later, so that not everybody asks a mirror at once.')
      .transform((seconds) => seconds ?? 0),
    'catch-up': z
      .union([z.literal(false), waitText])
      .default('12h')
      .describe('A nightly build missed within this time is started once, as soon as the service runs again.')
      .transform((text) => (text === false ? 0 : durationSeconds(text))),
  },
  { jitter: 'jitterSeconds', 'catch-up': 'catchUpSeconds' },
).describe('When "serve" starts a nightly build.');

/** When nights begin. `catchUpSeconds` is how old the last missed moment may be to be caught up with; 0: none is. */
export type ScheduleConfig = z.output<typeof scheduleSchema>;

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export const scheduleTemplate = `
    # When "atomic-nightly serve" starts a nightly build (docs/service.md): minute hour day month weekday, up to the jitter later.
    # schedule: {cron: '0 2 * * *', time-zone: UTC, jitter: 10m, catch-up: 12h}
`;
