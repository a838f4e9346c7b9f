import type { StoredBuild } from '../build/build-store.ts';
import { isFetched } from './build.ts';

/** Older ones are not continued automatically: their package lists are out of date. */
const CUT_SHORT_SECONDS = 12 * 3600;

/**
 * Whether the same command, given again by a scheduler, should continue a build of this machine: it was killed or
 * interrupted, stopped before its push, or failed after it; in the last 12 hours. Only for who has the run lock: a build that
 * says that it is running was killed then.
 */
export function isCutShort({ meta, paths }: StoredBuild): boolean {
  const { state, failures = [] } = meta;
  if (isFetched(paths) || Date.now() - Date.parse(meta.ostreeTimestamp) > CUT_SHORT_SECONDS * 1000) return false;
  return state === 'running' || state === 'interrupted' || (state === 'incomplete' && failures.length > 0);
}
