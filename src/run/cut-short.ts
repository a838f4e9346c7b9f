import type { StoredBuild } from '../build/build-store.ts';
import { isFetched } from './build.ts';

/** Older ones are not gone on with unasked: their package lists are of another day. */
const CUT_SHORT_SECONDS = 12 * 3600;

/**
 * Whether the same command, given again by a scheduler, should go on with a build of this machine: it was killed or
 * interrupted, stopped before its push, or failed after it; in the last 12 hours. Only for who has the run lock: a build that
 * says that it is running was killed then.
 */
export function isCutShort({ meta, paths }: StoredBuild): boolean {
  const { 'atomic-nightly.state': state, 'atomic-nightly.failures': failures = [] } = meta;
  if (isFetched(paths) || Date.now() - Date.parse(meta['ostree-timestamp']) > CUT_SHORT_SECONDS * 1000) return false;
  return state === 'running' || state === 'interrupted' || (state === 'incomplete' && failures.length > 0);
}
