import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { compareBuildIds, isBuildId } from '../../build/build-id.ts';
import type { StreamConfig } from '../../config/config.ts';
import { brandOf } from '../../reports/pages/brand.ts';
import { createLinks } from '../../reports/pages/links.ts';
import { nowView } from '../../reports/pages/now.ts';
import { overviewPage, streamPage } from '../../reports/pages/overview.ts';
import { currentRun } from './current-run.ts';
import {
  chartedBuilds,
  judgeSnapshot,
  listed,
  listedStream,
  type Snapshot,
  takeSnapshot,
  type WebContext,
} from './live-context.ts';

/** How many builds a list shows. */
const LISTED = 20;

/** Returns the overview. @param before only builds older than this id */
export async function overview(context: WebContext, before: string | undefined) {
  const { config, work } = context;
  const snapshot = await takeSnapshot(context);
  const { builds } = snapshot;
  const nightly = Object.values(config.streams).filter(({ release }) => release === undefined);
  const charts = await Promise.all(
    nightly.map(async ({ name }) => [name, await chartedBuilds(context, snapshot, name)] as const),
  );
  const running = await currentRun(work, builds, snapshot.holder);
  const judgement = await judgeSnapshot(context, snapshot);
  const shown = await someBuilds(context, builds, before);
  await yieldToOthers();
  return overviewPage({
    product: brandOf(config).name,
    about: brandOf(config).about,
    live: true,
    streams: Object.values(config.streams).map((stream) => listedStream(context, stream)),
    builds: snapshot.list,
    damaged: snapshot.damaged.map(({ error }) => error.message),
    ...shown,
    charted: new Map(charts),
    now: nowView(running, context.nextRuns(), { links: createLinks(0, true), now: Date.now() }),
    hasContent: config.content !== undefined,
    judgement,
    disk: judgement.disk,
    audited: config.audit !== undefined,
    rebuilt: config.builders?.statement !== undefined,
  });
}

/** Returns the page of a stream. @param before only builds older than this id */
export async function oneStream(context: WebContext, stream: StreamConfig, before: string | undefined) {
  const snapshot = await takeSnapshot(context);
  const ours = snapshot.list.of(stream.name);
  const entry = listedStream(context, stream);
  return streamPage({
    product: brandOf(context.config).name,
    live: true,
    stream: entry,
    streams: [entry],
    builds: snapshot.list,
    ...(await someBuilds(context, ours, before)),
    charted: new Map([[stream.name, await chartedBuilds(context, snapshot, stream.name)]]),
  });
}

async function someBuilds(context: WebContext, builds: Snapshot['builds'], before: string | undefined) {
  const from = placeBehind(builds, before);
  const some = from === -1 ? [] : builds.slice(from, from + LISTED);
  const more = from !== -1 && builds.length > from + LISTED;
  return {
    shown: await Promise.all(some.map((build) => listed(context, build))),
    older: more ? (some.at(-1)?.meta.buildid ?? '') : '',
  };
}

/** Returns where the builds begin that are older than one; -1 when there are none. */
function placeBehind(builds: Snapshot['builds'], before: string | undefined): number {
  if (before === undefined) return 0;
  // A night that was taken back is not in its place by its id.
  const at = builds.findIndex(({ meta }) => meta.buildid === before);
  if (at !== -1) return at + 1;
  if (!isBuildId(before)) return 0;
  const { length } = before;
  // Ids of one length compare as text, which takes thousands of them a tenth of the time.
  const isOlder = (id: string): boolean => (id.length === length ? id < before : compareBuildIds(id, before) < 0);
  return builds.findIndex(({ meta }) => isOlder(meta.buildid));
}
