import { formatBytes } from '../../base/format.ts';
import type { BuildList } from '../../build/build-list.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { JournalEntry } from '../../build/journal.ts';
import { lastRelease } from '../../build/promotions.ts';
import { type BuildRow, buildRow } from './build-row.ts';
import { calendar, type MonthView } from './calendar.ts';
import type { ChartView } from './charts/chart.ts';
import { nightCharts } from './charts/nights.ts';
import { type HealthView, healthView, type Judgement, publishedHealth } from './health.ts';
import type { Links } from './links.ts';
import type { NowView } from './now.ts';
import { type PageView, pageView } from './page.ts';
import { type TimeView, timeView } from './time-view.ts';
import { workingSeconds } from './times.ts';

/** A build as a list shows it. */
export interface ListedBuild {
  readonly meta: BuildMeta;
  /** How it stands now. */
  readonly state: string;
  /** Names that people gave it; on the service's own pages only. */
  readonly tags?: readonly string[];
  /** None where only the record is known. */
  readonly entries: readonly JournalEntry[];
}

/** A stream as the overview names it. */
export interface ListedStream {
  readonly name: string;
  /** Where its builds come from: `nightly`, or `promoted from NAME`. */
  readonly kind: string;
  /** The cycle of a release stream; empty without one. */
  readonly cycle: string;
  readonly next?: Date | undefined;
}

export interface OverviewRequest {
  readonly product: string;
  /** A sentence on what it is. */
  readonly about?: string;
  readonly live: boolean;
  readonly streams: readonly ListedStream[];
  /** Builds of all streams. */
  readonly builds: BuildList<{ readonly meta: BuildMeta; readonly state: string }>;
  /** What the list shows, newest first. */
  readonly shown: readonly ListedBuild[];
  /** Keyed by stream, oldest first. */
  readonly charted: ReadonlyMap<string, readonly ListedBuild[]>;
  /** The id to continue below; empty at the end. */
  readonly older: string;
  readonly now?: NowView;
  /** What the service judged; undefined where only what is published is known. */
  readonly judgement?: Judgement;
  /** What is wrong with builds whose record cannot be read, a sentence each. */
  readonly damaged?: readonly string[];
  /** Whether tags of koji are published as well. */
  readonly hasContent?: boolean;
  /** Bytes of the work folder's file system. */
  readonly disk?: { readonly free: number; readonly total: number } | undefined;
  /** Whether there is a page with what audits found. */
  readonly audited?: boolean;
  /** Whether there is a page of builders. */
  readonly rebuilt?: boolean;
}

/** Returns the first page: the values of the template `overview`. */
export function overviewPage(request: OverviewRequest): PageView & OverviewView {
  const { product, live, streams, builds, older, now, disk } = request;
  const page = pageView(product, product, { depth: 0, live });
  return {
    ...page,
    about: request.about ?? '',
    now: now ?? false,
    health: healthOf(request, page.links),
    damaged: request.damaged ?? [],
    streams: streams.map((stream) => streamRow(stream, builds, page.links)),
    ...listView(request, page.links),
    calendars: calendarsOf(request, page.links),
    older: older === '' ? '' : `?before=${older}`,
    hasContent: request.hasContent ?? false,
    disk: disk ? diskView(disk) : false,
    audited: request.audited ?? false,
    rebuilt: request.rebuilt ?? false,
  };
}

/** Returns the page of one stream: the values of the template `stream`. */
export function streamPage(request: OverviewRequest & { readonly stream: ListedStream }) {
  const { product, live, stream, builds, older } = request;
  const page = pageView(product, `Stream ${stream.name}`, { depth: 2, live });
  return {
    ...page,
    stream: streamRow(stream, builds, page.links),
    ...listView(request, page.links),
    calendars: calendar(stream.name, builds.of(stream.name), page.links),
    older: older === '' ? '' : `?before=${older}`,
  };
}

interface OverviewView {
  readonly about: string;
  readonly audited: boolean;
  readonly rebuilt: boolean;
  readonly now: NowView | false;
  readonly health: HealthView;
  readonly damaged: readonly string[];
  readonly streams: readonly StreamRow[];
  readonly builds: readonly BuildRow[];
  readonly charts: readonly ChartView[];
  readonly calendars: readonly MonthView[];
  readonly older: string;
  readonly hasContent: boolean;
  readonly disk:
    | { readonly used: string; readonly free: string; readonly total: string; readonly percent: number }
    | false;
}

/** Streams that are charted have a calendar: those that are built on their own. */
function calendarsOf({ charted, builds }: OverviewRequest, links: Links): MonthView[] {
  return [...charted.keys()].flatMap((stream) => calendar(stream, builds.of(stream), links));
}

function healthOf({ judgement, streams, builds }: OverviewRequest, links: Links): HealthView {
  if (!judgement) return publishedHealth(streams, builds, links);
  return healthView(judgement, { links, archOf: builds.archOf });
}

function listView({ shown, builds, charted }: OverviewRequest, links: Links) {
  const isKnown = (id: string) => builds.archOf(id) !== undefined;
  return {
    builds: shown.map(({ meta, state, tags, entries }) => {
      const seconds = workingSeconds(entries, state === 'running' ? Date.now() : undefined);
      return buildRow(meta, { links, state, isKnown, tags, ...(entries.length === 0 ? {} : { seconds }) });
    }),
    charts: [...charted].flatMap(([stream, list]) => nightCharts(stream, list, links)),
  };
}

interface Named {
  readonly id: string;
  readonly href: string;
  readonly time: TimeView;
}

interface StreamRow {
  readonly name: string;
  readonly href: string;
  readonly kind: string;
  readonly cycle: string;
  readonly newest: BuildRow | false;
  readonly good: Named | false;
  readonly release: Named | false;
  readonly next: TimeView | false;
}

function streamRow(
  { name, kind, cycle, next }: ListedStream,
  builds: OverviewRequest['builds'],
  links: Links,
): StreamRow {
  const ours = builds.of(name);
  const [newest] = ours;
  const good = ours.find(
    ({ state, meta }) => state === 'complete' && meta.ostreeCommit !== undefined && meta.retracted === undefined,
  );
  const release = lastRelease(ours, name);
  const isKnown = (id: string) => builds.archOf(id) !== undefined;
  const named = ({ meta }: { readonly meta: BuildMeta }, at: string): Named => ({
    id: meta.buildid,
    href: links.build(meta.buildid, meta.basearch),
    time: timeView(at),
  });
  return {
    name,
    kind,
    cycle,
    href: links.live ? links.stream(name) : '',
    newest: newest ? buildRow(newest.meta, { links, state: newest.state, isKnown }) : false,
    good: good ? named(good, good.meta.ostreeTimestamp) : false,
    release: release ? named(release, release.meta.release?.at ?? '') : false,
    next: next ? timeView(next) : false,
  };
}

function diskView({ free, total }: { readonly free: number; readonly total: number }) {
  return {
    used: formatBytes(total - free),
    free: formatBytes(free),
    total: formatBytes(total),
    percent: total === 0 ? 0 : Math.round(((total - free) / total) * 100),
  };
}
