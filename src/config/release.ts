import { z } from 'zod';
import { didYouMean } from '../base/nearest.ts';
import { block, type Filled, type Here } from './block.ts';
import type { Breach } from './breach.ts';
import { type EngineConfig, isFolderEngine } from './engine.ts';
import { releaseToSchema } from './release-to.ts';
import { checkSource, checkUpstreamStream, type UpstreamConfig, upstreamKeys, upstreamOf } from './upstream.ts';
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
type Written = z.output<ReturnType<typeof releaseBlock>>;

/** What makes a stream a release stream. No `rpmKeys`: the keys that the repositories name; no `to`: only its own targets. */
export type ReleaseConfig = Filled<Written, 'promotesFrom' | 'rpmKeys'>;

/** A stream as the rules see it. */
interface Stream extends Written {
  readonly treefile?: string;
  readonly engine?: unknown;
  readonly provenance?: unknown;
  readonly ref?: string;
  readonly signing?: unknown;
  readonly smokeTest: unknown;
}

/**
 * Returns what is wrong with a stream, as a release stream or because it is none. Paths are relative to the stream.
 * @param engine of a nightly stream
 */
export function checkRelease(
  stream: Stream,
  streams: Readonly<Record<string, Pick<Stream, 'promotesFrom' | 'treefile'>>>,
  names: readonly string[],
  engine: EngineConfig | undefined,
): Breach[] {
  const breaches: Breach[] = [];
  const { promotesFrom: source, cycle: times } = stream;
  if (source === undefined) {
    const others = { 'rpm-keys': stream.rpmKeys, rebuild: stream.rebuild, cycle: times, release: stream.to };
    for (const [key, value] of Object.entries(others)) {
      if (value !== undefined) breaches.push({ path: [key], message: 'is for a stream with "promotes-from" only.' });
    }
    for (const key of ['approvals', 'rebuilds'] as const)
      if (stream[key] > 0) breaches.push({ path: [key], message: 'is for a stream with "promotes-from" only.' });
    if (stream.treefile === undefined && !(engine && isFolderEngine(engine))) {
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
  } else if (streams[source]?.promotesFrom !== undefined) {
    breaches.push({ path, message: `"${source}" is a release stream itself; name the nightly stream.` });
  }
  if (stream.treefile !== undefined) {
    breaches.push({
      path: ['treefile'],
      message: 'must not be set: a promotion is built from the treefile of its nightly build.',
    });
  }
  if (stream.engine !== undefined) {
    breaches.push({
      path: ['engine'],
      message: 'must not be set: a promotion is built by the engine of its nightly build.',
    });
  }
  if (stream.provenance !== undefined) {
    breaches.push({ path: ['provenance'], message: 'must not be set: a release has the tree of its nightly build.' });
  }
  if (stream.rebuild !== undefined && streams[source]?.treefile === undefined) {
    breaches.push({
      path: ['rebuild'],
      message: `is for streams that are made of packages; "${source}" has no treefile.`,
    });
  }
  if (stream.ref === undefined) {
    breaches.push({ path: [], message: 'needs a "ref" of its own, because the treefile has that of the nightly.' });
  }
  if (stream.to !== undefined && stream.smokeTest === false) {
    breaches.push({
      path: ['release'],
      message: 'needs a "smoke-test" in the stream: nothing is released that was not tested.',
    });
  }
  if (stream.to !== undefined && stream.signing === undefined) {
    breaches.push({ path: ['release'], message: 'needs "signing" in the stream: nothing is released unsigned.' });
  }
  breaches.push(...checkUpstreamStream(times?.upstream?.compared, names));
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
