import { z } from 'zod';
import { block, type Filled, type Here } from './block.ts';
import { releaseToSchema } from './release-to.ts';
import { checkSource, type UpstreamConfig, upstreamKeys, upstreamOf } from './upstream.ts';
import { filePath } from './values.ts';

/** A UTC day. */
const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day, as in 2026-01-06')
  .refine((text) => dayOf(text) !== undefined, { error: 'is not a calendar day' });

const upstreamCycle = (here: Here) =>
  block({
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
    ...upstreamKeys(here),
  }).superRefine(checkSource);

const cycle = (here: Here) =>
  block({
    start: day.describe('UTC day on which the first candidate is due.'),
    weeks: z.int().min(1).max(52).default(4).describe('From one candidate to the next.'),
    upstream: upstreamCycle(here)
      .optional()
      .describe('The releases that candidates map to: the newest on or before the day a candidate is due.'),
  })
    .describe('When a nightly build is due for promotion.')
    .transform(({ start, weeks, upstream }): CycleConfig => {
      const startDay = dayOf(start) ?? 0;
      if (upstream === undefined) return { startDay, weeks };
      const { id, releases } = upstream;
      const compared = upstreamOf(upstream);
      const named = Object.entries(releases).map(([date, name]) => [dayOf(date) ?? 0, name] as const);
      const first = dayOf(upstream.start ?? start) ?? 0;
      return {
        startDay,
        weeks,
        upstream: { startDay: first, weeks: upstream.weeks, id, releases: new Map(named), compared },
      };
    });

/** Days are counted from 1970-01-01, UTC. */
export interface CycleConfig {
  /** When the first candidate is due. */
  readonly startDay: number;
  readonly weeks: number;
  readonly upstream?: {
    /** The day of one of its releases. */
    readonly startDay: number;
    /** A divisor of the cycle's weeks. */
    readonly weeks: number;
    /** A pattern with `{date}` and `{count}`. */
    readonly id: string;
    /** Ids that do not follow that pattern, keyed by day. */
    readonly releases: ReadonlyMap<number, string>;
    /** What candidates are compared with; undefined: nothing. */
    readonly compared?: UpstreamConfig | undefined;
  };
}

const quorum = block({
  quorum: z.int().min(1).max(20).describe('How many independent operators must have built each package as it is.'),
  packages: z
    .array(z.string().regex(/^[\w.+*?-]+$/, 'must be the name of a package, with * and ?'))
    .min(1, 'needs at least one name')
    .default(['*'])
    .describe('Names of the packages that it is asked for; * and ? stand for any characters and any one.'),
}).describe('Promote only packages that several operators have built the same (docs/rebuilds.md).');

/** What has to be known of the packages of a promotion. */
export type QuorumConfig = z.output<typeof quorum>;

/** Makes the keys of a stream that only a release stream has. */
export const releaseKeys = (here: Here) =>
  ({
    'promotes-from': z
      .string()
      .optional()
      .describe('Makes this a release stream: fed by "promote" alone, from the nightly builds of that stream.'),
    'rpm-keys': z
      .array(filePath(here))
      .min(1, 'needs at least one file')
      .optional()
      .describe(
        'Public keys; every package of a promotion must be signed by one. Default: gpgkey= of the repositories.',
      ),
    approvals: z.int().min(0).default(0).describe('How many people must approve a promotion before it is released.'),
    rebuilds: z
      .int()
      .min(0)
      .default(0)
      .describe('How many rebuilders must have composed a promotion again, identically, before it is released.'),
    rebuild: quorum.optional(),
    cycle: cycle(here).optional(),
    release: releaseToSchema(here).optional(),
  }) as const;

const releaseBlock = (here: Here) => block(releaseKeys(here), { release: 'to' });

/** The block as it was written. */
export type WrittenRelease = z.output<ReturnType<typeof releaseBlock>>;

/** What makes a stream a release stream. No `rpmKeys`: the keys that the repositories name; no `to`: only its own targets. */
export type ReleaseConfig = Filled<WrittenRelease, 'promotesFrom' | 'rpmKeys'>;

/** Returns a day such as 2026-01-06 as days since 1970-01-01; undefined for text that is no day. */
export function dayOf(text: string): number | undefined {
  const time = Date.parse(`${text}T00:00:00Z`);
  // Date rolls 2026-02-31 over to March.
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text) return undefined;
  return time / 86_400_000;
}

/** Returns the lines of the commented template about a release stream. @param name of the distribution */
export const releaseTemplate = (name: string): string => `
  # A release stream, fed by "promote" alone (docs/promotion.md). It is built from the treefile of its nightly builds.
  # release:
  #   promotes-from: nightly
  #   ref: ${name}/\${basearch}/release
  #   targets: [buildlogs]      # better one of its own, to test at
  #   # Here as well where another stream of its targets signs, and for every release (docs/signing.md).
  #   signing: {type: gpg-agent, home: /etc/atomic-nightly/gnupg, key: 0123456789ABCDEF0123456789ABCDEF01234567}
  #   # Public keys; each package must be signed by one. Default: those that gpgkey= of the repositories names.
  #   rpm-keys: [/etc/pki/rpm-gpg/RPM-GPG-KEY-example]
  #   approvals: 2
  #   rebuilds: 1               # by "rebuilders", below
  #   rebuild: {quorum: 2}     # each package built the same by two operators (docs/rebuilds.md)
  #   release-package: {name: ${name}-remote-release, version: '1', repository: ./release-rpms}
  #   cycle: {start: 2026-01-06, weeks: 4, upstream: {weeks: 2, id: '43.{date}.0', packages: 'https://example.org/packages.txt', max-missing: 0}}
`;
