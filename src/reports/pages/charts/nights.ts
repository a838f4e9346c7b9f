import { formatBytes, formatSeconds } from '../../../base/format.ts';
import type { BuildMeta } from '../../../build/build-record.ts';
import type { JournalEntry } from '../../../build/journal.ts';
import { changesByKind } from '../../../rpm/pkgdiff.ts';
import type { Links } from '../links.ts';
import { joinedSeconds, stepTimes } from '../times.ts';
import { type ChartData, type ChartView, lines, stackedBars } from './chart.ts';

/** A build with what its journal says, where there is one. */
export interface ChartedBuild {
  readonly meta: BuildMeta;
  readonly entries: readonly JournalEntry[];
}

const PHASES = [
  ['prepare', /^(seed|repositories|resolve|packages)$/],
  ['tree', /^(compose|compare|commit|diff|measure|sign|deltas|keep-.*)$/],
  ['push', /^(push|verify)-/],
  ['images', /^image-/],
  ['tests', /^smoke-test-/],
  ['publish', /./],
] as const;

/** How many builds a chart shows. */
export const CHARTED = 30;

/**
 * Returns the charts over the builds of a stream; those that have nothing to show are left out.
 * @param builds oldest first
 */
export function nightCharts(stream: string, builds: readonly ChartedBuild[], links: Links): ChartView[] {
  const made = builds.filter(({ meta }) => meta.ostreeCommit !== undefined).slice(-CHARTED);
  const timed = builds.filter(({ entries }) => entries.length > 0).slice(-CHARTED);
  const about = (id: string, title: string, description: string, of: readonly ChartedBuild[]) => ({
    id: `${id}-${stream}`,
    title,
    description,
    points: of.map(({ meta }) => ({
      label: meta.buildid,
      href: links.build(meta.buildid, meta.basearch),
    })),
  });
  const charts: ChartView[] = [];
  if (timed.length > 1) {
    const durations: ChartData = {
      ...about('duration', 'Time by kind of step', `Time that each build of ${stream} took, by kind of step.`, timed),
      series: PHASES.map(([label], index) => ({ label, values: timed.map((one) => phaseSeconds(one)[index]) })),
      firstColour: 0,
      format: formatSeconds,
      axis: shortTime,
      unit: 60,
    };
    charts.push(stackedBars(durations));
  }
  const sizes = sizeSeries(made);
  if (made.length > 1 && sizes.length > 0) {
    const description = `Size of the tree and of each image of ${stream}, in bytes as they are stored.`;
    charts.push(
      lines({
        ...about('size', 'Size', description, made),
        series: sizes,
        firstColour: 1,
        format: formatBytes,
        axis: shortBytes,
        unit: 1,
      }),
    );
  }
  const later = made.filter(({ meta }) => meta.parent !== undefined);
  if (later.length > 1) {
    const description = `Packages that changed in each build of ${stream} since the one before.`;
    charts.push(
      stackedBars({
        ...about('packages', 'Packages changed', description, later),
        series: changeSeries(later),
        firstColour: 1,
        format: String,
        axis: (value) => (Number.isInteger(value) ? String(value) : ''),
        unit: 1,
      }),
    );
  }
  return charts;
}

/** Steps of one kind that ran side by side count once: their times are joined, not added. */
function phaseSeconds({ entries }: ChartedBuild): number[] {
  const steps = stepTimes(entries, Number.POSITIVE_INFINITY).filter(({ end }) => end !== undefined);
  const phaseOf = (step: string) => PHASES.findIndex(([, pattern]) => pattern.test(step));
  return PHASES.map((_, index) =>
    joinedSeconds(
      steps.flatMap(({ step, start, end = start }) => (phaseOf(step) === index ? [[start, end] as const] : [])),
    ),
  );
}

function sizeSeries(builds: readonly ChartedBuild[]): ChartData['series'] {
  const types = [...new Set(builds.flatMap(({ meta }) => Object.keys(meta.images ?? {})))].sort().slice(0, 4);
  const tree = builds.map(({ meta }) => meta.tree?.bytes);
  return [
    ...(tree.some((value) => value !== undefined) ? [{ label: 'tree', values: tree }] : []),
    ...types.map((type) => ({ label: type, values: builds.map(({ meta }) => meta.images?.[type]?.size) })),
  ];
}

function changeSeries(builds: readonly ChartedBuild[]): ChartData['series'] {
  const grouped = builds.map(({ meta }) => changesByKind(meta.pkgdiff ?? []));
  const series = changesByKind([]).map(({ word }, index) => ({
    label: word,
    values: grouped.map((kinds) => kinds[index]?.changes.length ?? 0),
  }));
  // Packages are upgraded; only components change.
  return series.filter(({ label, values }) => label !== 'changed' || values.some((value) => value > 0));
}

const shortTime = (seconds: number): string =>
  seconds % 60 === 0 && seconds > 0 ? `${seconds / 60} min` : `${Math.round(seconds)} s`;
const shortBytes = (bytes: number): string => formatBytes(bytes).replace('.0 ', ' ');
