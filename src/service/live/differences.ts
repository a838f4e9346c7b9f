import type { StoredBuild } from '../../build/build-store.ts';
import { type BuildDiff, diffBuilds } from '../../pipelines/diff-builds.ts';

/** How many differences are kept. */
const KEPT = 50;

/**
 * Finds what differs between two builds. Trees are walked for it, so the last ones are kept, and who asks meanwhile for the
 * same waits for the same: neither a commit nor a lockfile ever changes.
 * @param repo the local archive repository
 */
export function createDifferences(repo: string): (from: StoredBuild, to: StoredBuild) => Promise<BuildDiff> {
  const kept = new Map<string, Promise<BuildDiff>>();
  return (from, to) => {
    const key = JSON.stringify([from, to].map(({ meta }) => [meta.buildid, meta.ostreeCommit, meta.images]));
    const old = kept.get(key);
    if (old !== undefined) return old;
    const found = diffBuilds(repo, from, to);
    kept.set(key, found);
    found.catch(() => kept.delete(key));
    const [oldest] = kept.keys();
    if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
    return found;
  };
}
