import { resolve } from 'node:path';
import { z } from 'zod';
import { didYouMean } from '../base/nearest.ts';
import type { KeyPath } from '../base/yaml/yaml-places.ts';
import type { CycleConfig, ReleaseConfig } from './config.ts';
import { normaliseReleaseTo, releaseToSchema } from './release-to.ts';
import { filePath } from './values.ts';

/** A UTC day. */
const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day, as in 2026-01-06')
  .refine((text) => dayOf(text) !== undefined, { error: 'is no day of the calendar' });

const cycle = z
  .strictObject({
    start: day.describe('UTC day on which the first candidate is due.'),
    weeks: z.int().min(1).max(52).default(4).describe('From one candidate to the next.'),
    upstream: z
      .strictObject({
        start: day.optional().describe('UTC day of one of its releases; default: that of the first candidate.'),
        weeks: z.int().min(1).max(52).default(2).describe('From one upstream release to the next.'),
        id: z
          .string()
          .min(1)
          .default('{date}')
          .describe('How upstream names a release: {date} is its day, {count} its number from "start" on.'),
        releases: z
          .record(day, z.string().min(1))
          .default({})
          .describe('By day: ids of releases that are named otherwise.'),
      })
      .optional()
      .describe('The releases that candidates map to: the newest on or before the day a candidate is due.'),
  })
  .describe('When a night is due to be promoted.');

/** The keys of a stream that only a release stream has. */
export const releaseKeys = {
  'promotes-from': z
    .string()
    .optional()
    .describe('Makes this a release stream: fed by "promote" alone, from the nights of that stream.'),
  'rpm-keys': z
    .array(filePath)
    .min(1, 'needs at least one file')
    .optional()
    .describe('Public keys; every package of a promotion must be signed by one. Default: gpgkey= of the repositories.'),
  approvals: z.int().min(0).default(0).describe('How many people must approve a promotion before it is released.'),
  cycle: cycle.optional(),
  release: releaseToSchema.optional(),
} as const;

type RawRelease = z.output<z.ZodObject<typeof releaseKeys>>;

/** Those keys as the program uses them; undefined for a nightly stream. */
export function normaliseRelease(raw: RawRelease, folder: string): ReleaseConfig | undefined {
  const { 'promotes-from': promotesFrom, 'rpm-keys': keys = [], approvals, cycle: times, release: to } = raw;
  if (promotesFrom === undefined) return undefined;
  return {
    promotesFrom,
    rpmKeys: keys.map((key) => resolve(folder, key)),
    approvals,
    ...(times === undefined ? {} : { cycle: normaliseCycle(times) }),
    ...(to === undefined ? {} : { to: normaliseReleaseTo(to, folder) }),
  };
}

function normaliseCycle({ start, weeks, upstream }: NonNullable<RawRelease['cycle']>): CycleConfig {
  const first = dayOf(start) ?? 0;
  if (upstream === undefined) return { startDay: first, weeks };
  const { id, releases } = upstream;
  const named = Object.entries(releases).map(([date, name]) => [dayOf(date) ?? 0, name] as const);
  return {
    startDay: first,
    weeks,
    upstream: { startDay: dayOf(upstream.start ?? start) ?? 0, weeks: upstream.weeks, id, releases: new Map(named) },
  };
}

/** A stream as the rules see it. */
type Written = RawRelease & {
  readonly treefile?: string | undefined;
  readonly ref?: string | undefined;
  readonly 'smoke-test': unknown;
};

/** What is wrong with a stream, as a release stream or because it is none. Paths are relative to the stream. */
export function checkRelease(
  stream: Written,
  streams: Readonly<Record<string, Pick<Written, 'promotes-from'>>>,
  names: readonly string[],
): { path: KeyPath; message: string }[] {
  const breaches: { path: KeyPath; message: string }[] = [];
  const { 'promotes-from': source, cycle: times } = stream;
  if (source === undefined) {
    for (const key of ['rpm-keys', 'cycle', 'release'] as const) {
      if (stream[key] !== undefined)
        breaches.push({ path: [key], message: 'is for a stream with "promotes-from" only.' });
    }
    if (stream.approvals > 0)
      breaches.push({ path: ['approvals'], message: 'is for a stream with "promotes-from" only.' });
    if (stream.treefile === undefined) {
      breaches.push({ path: [], message: 'needs a "treefile", or "promotes-from" to be a release stream.' });
    }
    return breaches;
  }
  const path = ['promotes-from'];
  if (!names.includes(source)) {
    const guess = didYouMean(source, names);
    breaches.push({
      path,
      message: `there is no stream "${source}".${guess || ` Streams here: ${names.join(', ')}.`}`,
    });
  } else if (streams[source]?.['promotes-from'] !== undefined) {
    breaches.push({ path, message: `"${source}" is a release stream itself; name the nightly stream.` });
  }
  if (stream.treefile !== undefined) {
    breaches.push({
      path: ['treefile'],
      message: 'must not be set: a promotion is built from the treefile of its night.',
    });
  }
  if (stream.ref === undefined) {
    breaches.push({ path: [], message: 'needs a "ref" of its own, because the treefile has that of the nightly.' });
  }
  if (stream.release !== undefined && stream['smoke-test'] === false) {
    breaches.push({
      path: ['release'],
      message: 'needs a "smoke-test" in the stream: nothing is released that was not tested.',
    });
  }
  if (times?.upstream && times.weeks % times.upstream.weeks !== 0) {
    breaches.push({
      path: ['cycle', 'upstream', 'weeks'],
      message: `must divide cycle.weeks (${times.weeks}), so that each candidate has an upstream release of its own.`,
    });
  }
  return breaches;
}

/** Days since 1970-01-01; undefined for a text that is no day. */
export function dayOf(text: string): number | undefined {
  const time = Date.parse(`${text}T00:00:00Z`);
  // Date rolls 2026-02-31 over to March.
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text) return undefined;
  return time / 86_400_000;
}
