import { formatCount } from '../base/format.ts';
import type { BuildMeta, RebuildRecord } from './build-record.ts';

/** Returns the files with what others say who composed a build again, relative to its folder. */
export function statementsOf({ rebuilds = [] }: Pick<BuildMeta, 'rebuilds'>): string[] {
  return rebuilds.map(({ statement }) => statement);
}

/** Returns what each rebuilder says now: who looked again, and said something else later, is believed in that. */
export function standingRebuilds<Rebuild extends Pick<RebuildRecord, 'by' | 'at'>>(
  rebuilds: readonly Rebuild[],
): Rebuild[] {
  const last = new Map<string, Rebuild>();
  for (const one of rebuilds) {
    const before = last.get(one.by);
    if (before === undefined || Date.parse(before.at) < Date.parse(one.at)) last.set(one.by, one);
  }
  return [...last.values()];
}

/**
 * Returns what others found, as in `by 2 others, identical: alice, bob (2 images)`; undefined where nobody sent a statement. Images
 * that differ are named.
 */
export function rebuiltText({ rebuilds = [] }: Pick<BuildMeta, 'rebuilds'>): string | undefined {
  const standing = standingRebuilds(rebuilds);
  const parts = (['differs', 'identical'] as const).flatMap((verdict) => {
    const found = standing.filter((one) => one.verdict === verdict);
    if (found.length === 0) return [];
    const others = `${found.length} ${found.length === 1 ? 'other' : 'others'}`;
    return [`by ${others}, ${verdict === 'differs' ? 'DIFFERENT' : verdict}: ${found.map(nameOf).join(', ')}`];
  });
  return parts.length === 0 ? undefined : parts.join('; ');
}

function nameOf({ by, images = [] }: RebuildRecord): string {
  const other = images.filter(({ verdict }) => verdict === 'differs').map(({ type }) => type);
  if (other.length > 0) return `${by} (${other.length === 1 ? 'image' : 'images'} ${other.join(', ')})`;
  return images.length === 0 ? by : `${by} (${formatCount(images.length, 'image')})`;
}
