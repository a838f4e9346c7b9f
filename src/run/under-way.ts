import type { StoredBuild } from '../build/build-store.ts';
import { type JournalEntry, readJournal } from '../build/journal.ts';
import type { LockHolder } from './run-lock.ts';

/**
 * Whether the holder of the run lock works on a build. A record that says "running" may be that of a run that was killed, and the lock
 * be held for another build; so what counts is that its journal was written to since the lock was taken, or that the holder names it.
 */
export function isUnderWay(
  { meta }: Pick<StoredBuild, 'meta'>,
  entries: readonly JournalEntry[],
  holder: Pick<LockHolder, 'command' | 'since'> | undefined,
): boolean {
  if (holder === undefined) return false;
  if (holder.command.split(' ').includes(meta.buildid)) return true;
  if (entries.length === 0) return meta.state === 'running';
  return isWrittenSince(entries, Date.parse(holder.since));
}

/** Whether a journal was written to since then, and not ended. @param since milliseconds since the epoch */
export function isWrittenSince(entries: readonly JournalEntry[], since: number): boolean {
  const last = entries.at(-1);
  return last !== undefined && last.event !== 'end' && Date.parse(last.at) >= since;
}

/** How many of the newest builds are looked at for the one under way. */
const RECENT = 50;

/** Returns the build that the holder of the run lock works on; undefined when it works on something else. */
export async function buildUnderWay(
  builds: readonly StoredBuild[],
  holder: LockHolder | undefined,
): Promise<StoredBuild | undefined> {
  for (const build of builds.slice(0, RECENT)) {
    if (isUnderWay(build, await readJournal(build.paths.journal), holder)) return build;
  }
  return undefined;
}
