import type { BuildMeta } from '../../build/build-record.ts';
import { outcomeOf } from '../../build/outcomes.ts';
import type { Links } from './links.ts';
import type { StateView } from './page-state.ts';

/** A day of a month; without an id where nothing was built. */
interface Day extends Pick<StateView, 'symbol' | 'tone' | 'label'> {
  readonly day: number;
  readonly id: string;
  readonly href: string;
}

/** A month of a stream: the values of the partial `calendar`. */
export interface MonthView {
  readonly id: string;
  /** `November 2026`. */
  readonly title: string;
  readonly stream: string;
  /** Weeks from Monday on; false where a day belongs to another month. */
  readonly weeks: readonly (readonly (Day | false)[])[];
}

/** How many months are shown. */
const MONTHS = 3;
const DAY_MS = 86_400_000;

/**
 * Returns the last months of a stream, the newest first: how the last build of each day went.
 * @param ours its builds, newest first
 */
export function calendar(
  stream: string,
  ours: readonly { readonly meta: BuildMeta; readonly state: string }[],
  links: Links,
): MonthView[] {
  const newest = ours[0]?.meta.ostreeTimestamp;
  if (newest === undefined) return [];
  const oldest = ours.at(-1)?.meta.ostreeTimestamp.slice(0, 7) ?? '';
  const [year, month] = [Number(newest.slice(0, 4)), Number(newest.slice(5, 7)) - 1];
  const shown = isoDay(Date.UTC(year, month - MONTHS + 1, 1));
  const days = new Map<string, { readonly meta: BuildMeta; readonly state: string }>();
  for (const build of ours) {
    // Most of thousands of builds are older.
    if (build.meta.ostreeTimestamp < shown) continue;
    const day = build.meta.ostreeTimestamp.slice(0, 10);
    if (!days.has(day)) days.set(day, build);
  }
  return Array.from({ length: MONTHS }, (_, back) => Date.UTC(year, month - back, 1))
    .filter((first) => isoDay(first).slice(0, 7) >= oldest)
    .map((first) => monthView(stream, first, (day) => dayView(day, days.get(day), links)));
}

function monthView(stream: string, first: number, dayOf: (day: string) => Day): MonthView {
  const month = isoDay(first).slice(0, 7);
  const title = new Date(first).toLocaleDateString('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' });
  const monday = first - ((new Date(first).getUTCDay() + 6) % 7) * DAY_MS;
  const weeks: (Day | false)[][] = [];
  for (let week = monday; week === monday || isoDay(week).startsWith(month); week += 7 * DAY_MS) {
    const all = Array.from({ length: 7 }, (_, index) => isoDay(week + index * DAY_MS));
    weeks.push(all.map((day) => (day.startsWith(month) ? dayOf(day) : false)));
  }
  return { id: `${stream}-${month}`, title, stream, weeks };
}

function dayView(
  day: string,
  build: { readonly meta: BuildMeta; readonly state: string } | undefined,
  links: Links,
): Day {
  const number = Number(day.slice(8));
  if (!build) return { day: number, id: '', href: '', symbol: '', tone: 'idle', label: '' };
  const { label, symbol, tone } = outcomeOf(build.state) ?? { label: build.state, symbol: '?', tone: 'idle' as const };
  const { buildid: id, basearch: arch } = build.meta;
  return { day: number, id, href: links.build(id, arch), symbol, tone, label };
}

const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
