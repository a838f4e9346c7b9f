import type { StoredBuild } from '../build/build-store.ts';
import { sourceText, type UpstreamRecord, upstreamOrNone } from '../build/upstream-record.ts';
import type { Config } from '../config/config.ts';
import { distanceText } from '../rpm/upstream-distance.ts';
import { upstreamFor } from './compare-upstream.ts';

/**
 * Returns in a line how far a build was from upstream when it was last compared; undefined where neither that nor an upstream is known.
 * Needs no network.
 */
export async function knownDistance(config: Config, build: StoredBuild): Promise<string | undefined> {
  return distanceLine(config, build, await upstreamOrNone(build.paths));
}

/** The same for a record that was read. */
export function distanceLine(
  config: Config,
  { meta }: StoredBuild,
  record: UpstreamRecord | undefined,
): string | undefined {
  if (record) return `${distanceText(record)} (${sourceText(record)}, on ${record.at.slice(0, 10)})`;
  if (meta.ostreeCommit === undefined || !upstreamFor(config, meta.stream)) return undefined;
  return `not known: it was not compared yet ("atomic-nightly compare ${meta.buildid} --upstream")`;
}
