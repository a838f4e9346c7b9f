import { NightlyError } from '../../base/errors.ts';
import { compareBuildIds } from '../../build/build-id.ts';
import { type DamagedBuild, findBuild, type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { type CycleState, cycleAt, type UpstreamRelease } from '../../build/cycle.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { findReleaseStream } from '../../config/lookup.ts';
import { knownDistance } from '../../pipelines/known-distance.ts';
import { defineCommand } from '../define.ts';
import { flag, text } from '../inputs.ts';
import { noteDamage } from '../open-run.ts';
import { printJson } from '../print.ts';

/** Where a release stream is in its cycle. */
interface CycleReport extends CycleState {
  readonly stream: string;
  readonly from: string;
  /**
   * The night that is due: the newest complete one up to the due day, else the first complete one after it. Not told while a
   * newer record is damaged: that may be the night, or its promotion.
   */
  readonly candidate?: { readonly build: string; readonly distance?: string };
  /** Promotions that were made for this cycle, newest first. */
  readonly promoted: readonly {
    readonly build: string;
    readonly of: string;
    readonly state: string;
    readonly released: boolean;
  }[];
}

/** `atomic-nightly cycle`: which night is due, and for which upstream release. Gives the exit code. */
export const cycle = defineCommand({
  name: 'cycle',
  section: 'Releases',
  summary: 'show the position in the release cycle, the nightly build that is due, and the upstream release it maps to',
  options: {
    stream: text('NAME', 'release stream; needed when there are several', { completes: 'stream' }),
    json: flag('for scripts'),
  },
  examples: ['atomic-nightly cycle --json | jq -r .candidate.build'],
  async run({ stream, json }, { config: path, logFormat, print }) {
    const config = await loadConfig(path);
    const { name, release } = findReleaseStream(config, { name: stream, from: undefined });
    if (!release.cycle) {
      throw new NightlyError('config', `Stream "${name}" has no cycle.`, {
        hint: 'Add for instance "cycle: {start: 2026-01-06, weeks: 4}": docs/promotion.md.',
        place: config.placeOf('streams', name),
      });
    }
    const now = cycleAt(release.cycle, Math.floor(Date.now() / 1000));
    const survey = await surveyBuilds(config.work);
    noteDamage(survey, logFormat);
    const { builds, damaged } = survey;
    const nights = builds.filter(({ meta }) => meta.stream === release.promotesFrom);
    const found = now.due === undefined ? undefined : dueNight(nights, now.due);
    const doubt = damaged.find(({ id }) => found === undefined || compareBuildIds(id, found) > 0);
    const candidate = doubt ? undefined : found;
    const report: CycleReport = {
      ...now,
      stream: name,
      from: release.promotesFrom,
      ...(candidate === undefined ? {} : { candidate: await withDistance(config, candidate) }),
      promoted: promotedIn(builds, name, now.number),
    };
    if (json) printJson(report, print);
    else for (const line of reportLines(report, doubt)) print(line);
    return 0;
  },
});

/** How far it is from upstream, where that is known or could be. */
async function withDistance(config: Config, build: string): Promise<NonNullable<CycleReport['candidate']>> {
  const distance = await knownDistance(config, await findBuild(config.work, build));
  return { build, ...(distance !== undefined && { distance }) };
}

/** @param nights newest first @param due `YYYY-MM-DD` */
function dueNight(nights: readonly StoredBuild[], due: string): string | undefined {
  const complete = nights.filter(({ meta }) => meta.state === 'complete');
  const until = complete.find(({ meta }) => meta.ostreeTimestamp.slice(0, 10) <= due);
  return (until ?? complete.at(-1))?.meta.buildid;
}

function promotedIn(builds: readonly StoredBuild[], stream: string, cycle: number): CycleReport['promoted'] {
  return builds.flatMap(({ meta }) => {
    const promotion = meta.promotion;
    if (meta.stream !== stream || !promotion || promotion.cycle !== cycle) return [];
    const superseded = meta.supersededBy !== undefined;
    const state = superseded ? 'superseded' : meta.state;
    return [{ build: meta.buildid, of: promotion.of, state, released: meta.release !== undefined }];
  });
}

function reportLines(
  { stream, from, number, week, weeks, due, upstream, candidate, promoted, next }: CycleReport,
  doubt: DamagedBuild | undefined,
): string[] {
  const missing = doubt ? `not known, for the record of ${doubt.id} is damaged` : 'no complete nightly build yet';
  const head =
    number === 0
      ? `Stream ${stream}, fed by ${from}: the first cycle has not begun.`
      : `Stream ${stream}, fed by ${from}: cycle ${number}, week ${week} of ${weeks}.`;
  const current = due === undefined ? [] : [`  due ${due}: ${candidate?.build ?? missing}${upstreamText(upstream)}`];
  const distance = candidate?.distance === undefined ? [] : [`  distance from upstream: ${candidate.distance}`];
  const done = promoted.map(
    ({ build, of, state, released }) => `  promoted: ${build} of ${of}, ${released ? 'released' : state}`,
  );
  const open =
    due !== undefined && promoted.length === 0 && candidate
      ? [`  not promoted yet: atomic-nightly promote ${candidate.build}`]
      : [];
  return [head, ...current, ...distance, ...done, ...open, `  next ${next.day}${upstreamText(next.upstream)}`];
}

function upstreamText(upstream: UpstreamRelease | undefined): string {
  return upstream === undefined ? '' : `, for upstream ${upstream.id} of ${upstream.day}`;
}
