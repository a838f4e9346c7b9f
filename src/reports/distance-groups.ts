import type { UpstreamRecord } from '../build/upstream-record.ts';
import { sourceLine } from '../rpm/source-distance.ts';
import { otherVersionText } from '../rpm/upstream-distance.ts';

/** One kind of difference from upstream, with a line for each. */
export interface DistanceGroup {
  readonly title: string;
  readonly lines: readonly string[];
}

/** Returns what differs from upstream, and what is not known of it; groups that have nothing are left out. */
export function distanceGroups(record: UpstreamRecord): DistanceGroup[] {
  const { missing, older, newer, extra, sources = [], units, users, unknown = [] } = record;
  const groups: readonly (readonly [string, readonly string[]])[] = [
    ['Missing', missing],
    ['Older', older.map(otherVersionText)],
    ['Newer', newer.map(otherVersionText)],
    ['Extra', extra],
    ['By source package', sources.map(sourceLine)],
    ['Enabled units', onOneSide(units)],
    ['Users', onOneSide(users)],
    ['Not known', unknown],
  ];
  return groups.filter(([, lines]) => lines.length > 0).map(([title, lines]) => ({ title, lines }));
}

function onOneSide(sides: UpstreamRecord['units']): string[] {
  const { missing = [], extra = [] } = sides ?? {};
  return [...missing.map((name) => `${name}: missing`), ...extra.map((name) => `${name}: extra`)];
}
