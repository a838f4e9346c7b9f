import type { Snapshot } from '../../content/snapshot.ts';
import { appendHistory, type TagChange } from '../../content/tag-history.ts';
import { type TagState, writeTagState } from '../../content/tag-state.ts';
import type { Hub } from '../../koji/hub.ts';
import { tagHistory } from '../../koji/hub-queries.ts';
import type { HistoryEntry } from '../../koji/hub-shapes.ts';

/** What was done, but for who did it in koji. */
export interface MadeChange extends Pick<TagChange, 'level' | 'key' | 'pushed' | 'repositories'> {
  readonly snapshot: Snapshot;
  /** What the repositories had before; none for a tag that was never published. */
  readonly before: TagState | undefined;
  readonly after: TagState;
}

/**
 * Writes down what was published of a tag, and then that it is: a run that is killed in between repeats a line of history, and
 * never leaves one out (C10).
 */
export async function recordChange(folder: string, change: MadeChange, hub: Hub): Promise<void> {
  const { before, after, snapshot, level, key, pushed, repositories } = change;
  const had = new Map((before?.packages ?? []).map((one) => [one.file, one]));
  const has = new Map(after.packages.map((one) => [one.file, one]));
  const added = after.packages.filter(({ file, sha256 }) => had.get(file)?.sha256 !== sha256);
  const removed = (before?.packages ?? []).filter(({ file }) => !has.has(file));
  const isElsewhere = before?.pushed !== pushed || before.settings !== after.settings;
  if (added.length + removed.length > 0 || isElsewhere) {
    const { tag_listing: entries } = await hub.call(tagHistory(snapshot.tag));
    await appendHistory(folder, {
      ...{ at: new Date(after.at * 1000).toISOString(), tag: snapshot.tag, event: snapshot.event.id },
      ...{ level, key, pushed, repositories },
      added: added.map(({ file, sha256, build }) => ({ file, sha256, ...whoTagged(entries, build) })),
      removed: removed.map(({ file, build }) => ({ file, ...whoUntagged(entries, build, snapshot.event.id) })),
    });
  }
  await writeTagState(folder, after);
}

type Who = Pick<TagChange['added'][number], 'by' | 'event'>;

const nvrOf = ({ name, version, release }: HistoryEntry): string => `${name}-${version}-${release}`;

function whoTagged(entries: readonly HistoryEntry[], build: string): Who {
  const found = entries.findLast((entry) => nvrOf(entry) === build && entry.revoke_event === null);
  return found ? { by: found.creator_name, event: found.create_event } : {};
}

/** Nobody, where the build is in the tag still: its package was blocked, or an architecture was taken away. */
function whoUntagged(entries: readonly HistoryEntry[], build: string, event: number): Who {
  const found = entries
    .filter((entry) => nvrOf(entry) === build && (entry.revoke_event ?? event + 1) <= event)
    .sort((a, b) => (a.revoke_event ?? 0) - (b.revoke_event ?? 0))
    .at(-1);
  if (!found || found.revoke_event === null) return {};
  return { ...(found.revoker_name !== null && { by: found.revoker_name }), event: found.revoke_event };
}
