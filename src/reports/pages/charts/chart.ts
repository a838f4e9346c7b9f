import { ticksUpTo } from './scale.ts';

/** One or more values for each of some builds, in the order of time. */
export interface ChartData {
  /** Prefix for the ids of its parts; unique on the page. */
  readonly id: string;
  readonly title: string;
  /** What the values are, for those who do not see the drawing. */
  readonly description: string;
  readonly points: readonly { readonly label: string; readonly href: string }[];
  /** At most six less `firstColour`; `values` are as many as points, undefined where there is none. */
  readonly series: readonly { readonly label: string; readonly values: readonly (number | undefined)[] }[];
  /** Number of the first series' colour. */
  readonly firstColour: number;
  readonly format: (value: number) => string;
  /** Formats a tick; shorter than `format`. */
  readonly axis: (value: number) => string;
  /** Ticks are multiples of it: 60 for seconds that are shown as minutes. */
  readonly unit: number;
}

/** A drawing as the template `chart` takes it: coordinates in a box of `width` by `height`, and the same as a table. */
export interface ChartView {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly ticks: readonly { readonly y: number; readonly textY: number; readonly label: string }[];
  readonly labels: readonly { readonly x: number; readonly anchor: string; readonly text: string }[];
  readonly labelY: number;
  readonly bars: readonly Bar[];
  readonly lines: readonly { readonly series: number; readonly points: string }[];
  readonly dots: readonly {
    readonly series: number;
    readonly x: number;
    readonly y: number;
    readonly title: string;
    readonly href: string;
  }[];
  readonly legend: readonly { readonly series: number; readonly label: string }[];
  readonly columns: readonly string[];
  readonly rows: readonly { readonly label: string; readonly href: string; readonly cells: readonly string[] }[];
}

interface Bar {
  readonly series: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly href: string;
}

const BOX = { width: 460, height: 190, left: 60, right: 452, top: 10, bottom: 166 } as const;
/** Width of a build id in the font of the style sheet. */
const LABEL_WIDTH = 80;

/** Bars over the points, the series on top of each other. */
export function stackedBars(data: ChartData): ChartView {
  const sums = data.points.map((_, index) => data.series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0));
  const frame = frameOf(data, Math.max(...sums, 0));
  const room = (BOX.right - BOX.left) / Math.max(data.points.length, 1);
  const width = Math.min(room * 0.72, 26);
  const bars = data.points.flatMap(({ label, href }, index) => {
    let below = 0;
    return data.series.flatMap(({ label: name, values }, series): Bar[] => {
      const value = values[index] ?? 0;
      if (value <= 0) return [];
      const [bottom, top] = [frame.y(below), frame.y(below + value)];
      below += value;
      const title = `${label}: ${name === '' ? '' : `${name} `}${data.format(value)}`;
      const x = round(BOX.left + room * (index + 0.5) - width / 2);
      return [
        {
          series: data.firstColour + series,
          x,
          y: round(top),
          width: round(width),
          height: round(bottom - top),
          title,
          href,
        },
      ];
    });
  });
  return { ...frame.view, bars, lines: [], dots: [] };
}

/** Returns a line for each series; it is broken where a value is missing. */
export function lines(data: ChartData): ChartView {
  const values = data.series.flatMap((one) => one.values.filter((value) => value !== undefined));
  const frame = frameOf(data, Math.max(...values, 0));
  const room = (BOX.right - BOX.left) / Math.max(data.points.length, 1);
  const x = (index: number) => round(BOX.left + room * (index + 0.5));
  const drawn = data.series.map(({ label, values: all }, number) => {
    const series = data.firstColour + number;
    const dots = all.flatMap((value, index) =>
      value === undefined
        ? []
        : [
            {
              series,
              index,
              x: x(index),
              y: round(frame.y(value)),
              title: `${data.points[index]?.label ?? ''}: ${label} ${data.format(value)}`,
              href: data.points[index]?.href ?? '',
            },
          ],
    );
    return {
      dots,
      runs: runsOf(dots).map((run) => ({ series, points: run.map((dot) => `${dot.x},${dot.y}`).join(' ') })),
    };
  });
  const dots = drawn.flatMap((one) => one.dots.map(({ index: _, ...dot }) => dot));
  return { ...frame.view, bars: [], lines: drawn.flatMap(({ runs }) => runs), dots };
}

function frameOf(data: ChartData, highest: number) {
  const { id, title, description, points, series, firstColour, format, axis, unit } = data;
  const { top, ticks } = ticksUpTo(highest, unit);
  const y = (value: number): number => BOX.bottom - (value / top) * (BOX.bottom - BOX.top);
  const room = (BOX.right - BOX.left) / Math.max(points.length, 1);
  const shown = points.length > 1 ? [0, points.length - 1] : [0];
  const view = {
    id,
    title,
    description,
    width: BOX.width,
    height: BOX.height,
    left: BOX.left,
    right: BOX.right,
    labelY: BOX.bottom + 18,
    ticks: ticks.map((value) => ({ y: round(y(value)), textY: round(y(value) + 4), label: axis(value) })),
    labels: points.flatMap(({ label }, index) =>
      shown.includes(index)
        ? [{ x: round(BOX.left + room * (index + 0.5)), anchor: anchorOf(index, room), text: label }]
        : [],
    ),
    legend: series.length > 1 ? series.map(({ label }, index) => ({ series: firstColour + index, label })) : [],
    rows: points
      .map(({ label, href }, index) => ({
        label,
        href,
        cells: series.map(({ values }) => {
          const value = values[index];
          return value === undefined ? '–' : format(value);
        }),
      }))
      .toReversed(),
    columns: series.map(({ label }) => label),
  };
  return { y, view };
}

/**
 * A label is under the middle of its point, unless the points are so close that it would be cut off at the
 * edge.
 */
function anchorOf(index: number, room: number): string {
  if (room > LABEL_WIDTH) return 'middle';
  return index === 0 ? 'start' : 'end';
}

/** Neighbours in order, split where a point is left out. */
function runsOf<Dot extends { readonly index: number }>(dots: readonly Dot[]): Dot[][] {
  const runs: Dot[][] = [];
  for (const dot of dots) {
    const last = runs.at(-1);
    if (last && last.at(-1)?.index === dot.index - 1) last.push(dot);
    else runs.push([dot]);
  }
  return runs;
}

const round = (value: number): number => Math.round(value * 10) / 10;
