import { join } from 'node:path';
import type { StoredBuild } from '../build/build-store.ts';
import type { Config } from '../config/config.ts';
import { readTreefile } from '../treefile/read.ts';
import type { Treefile } from '../treefile/treefile.ts';
import { openPromotedNight } from './promoted-night.ts';

/**
 * Reads the copy of the treefile that a build was composed from: of a promotion, its nightly build's. Undefined for a tree that others
 * made, and for a build that has none.
 * @throws NightlyError `not-found`, `usage`, `treefile` when that nightly build cannot be promoted any more.
 */
export async function treefileOfBuild(
  { work, streams }: Config,
  { meta, paths }: StoredBuild,
): Promise<Treefile | undefined> {
  const copy = meta.treefileCopy;
  const { of } = meta.promotion ?? {};
  if (copy === undefined && of === undefined) return undefined;
  const path = of === undefined ? join(paths.treefileCopy, copy ?? '') : (await openPromotedNight(work, of)).treefile;
  if (path === undefined) return undefined;
  return readTreefile(path, { basearch: meta.basearch, reachedBy: streams[meta.stream]?.treefile });
}
