import type { Task } from '../../base/task.ts';
import type { Config } from '../../config/config.ts';
import { hubPattern } from '../../config/tag-pattern.ts';
import { assignTags } from '../../content/assign-tags.ts';
import { openKoji } from '../../content/open-koji.ts';
import type { Hub } from '../../koji/hub.ts';
import { historyAfter, lastEvent, lastEventBefore, listTags, tagsChangedSince } from '../../koji/hub-queries.ts';

/** What a poll has seen, to compare with next time. */
export interface SeenByPoll {
  /** The hub's last event. */
  readonly event: number;
  /** What came into tags or left them of late. */
  readonly rows: ReadonlySet<string>;
}

/** What a poll has found. */
export interface Polled {
  readonly seen: SeenByPoll;
  /** Tags of ours that have changed; empty at the first poll. */
  readonly changed: readonly string[];
}

/** A poll is repeated soon enough: one retry, and no waiting for a hub under maintenance. */
const PATIENCE = { retryMs: 1000, tries: 2, offlineMs: 1000, mostOfflineMs: 0 };

/**
 * How far back a poll looks at what was tagged, in seconds. Events get their number when a transaction begins and are seen when
 * it ends: one that takes long, as the tagging of hundreds of builds does, appears among numbers that were seen before.
 */
const LOOK_BACK = 15 * 60;

/**
 * Asks the hub what has changed since the last poll, in a handful of calls: what was tagged and untagged, also by those who
 * send no message, and what no message tells of (blocked packages, architectures, inheritance).
 * @param before what the last poll saw; undefined: nothing is compared
 * @throws NightlyError `koji`, `koji-unreachable`.
 */
export async function pollHub(config: Config, before: SeenByPoll | undefined, task: Task): Promise<Polled> {
  const { content, koji } = config;
  if (content === undefined || koji === undefined) return { seen: { event: 0, rows: new Set() }, changed: [] };
  const hub = openKoji(koji, task, PATIENCE);
  try {
    const { id: event, ts } = await hub.call(lastEvent());
    const since = (await hub.call(lastEventBefore(ts - LOOK_BACK)))?.id ?? 0;
    const history = await hub.call(historyAfter(since));
    const found = history.tag_listing.map((row) => ({ tag: row['tag.name'], key: rowKey(row) }));
    const seen = { event, rows: new Set(found.map(({ key }) => key)) };
    if (before === undefined) return { seen, changed: [] };
    const patterns = [...new Set(content.rules.map(({ tags }) => hubPattern(tags)))];
    const listed = await hub.together(patterns.map((pattern) => listTags(pattern)));
    const ids = new Map(listed.flat().map(({ name, id }) => [name, id]));
    const ours = assignTags(content, [...ids.keys()]).assigned.map(({ tag }) => tag);
    const moved = new Set(found.filter(({ key }) => !before.rows.has(key)).map(({ tag }) => tag));
    const others = ours.flatMap((tag) => (moved.has(tag) ? [] : [{ tag, id: ids.get(tag) ?? 0 }]));
    const silent = await changedSilently(hub, before.event, others);
    return { seen, changed: [...ours.filter((tag) => moved.has(tag)), ...silent] };
  } finally {
    await hub.close();
  }
}

/** A row changes once, when its build leaves the tag. */
const rowKey = (row: { readonly 'tag.name': string; create_event: number; revoke_event: number | null }): string =>
  `${row['tag.name']} ${row.create_event} ${row.revoke_event ?? ''}`;

/** Returns the tags of which something has changed that is not in the history of what is tagged. */
async function changedSilently(
  hub: Hub,
  since: number,
  tags: readonly { readonly tag: string; readonly id: number }[],
): Promise<string[]> {
  if (tags.length === 0) return [];
  const any = await hub.call(
    tagsChangedSince(
      since,
      tags.map(({ id }) => id),
    ),
  );
  if (!any) return [];
  const answers = await hub.callAll(tags.map(({ id }) => tagsChangedSince(since, [id])));
  // One that cannot be told is looked at: that costs a few calls, and misses nothing.
  return tags.flatMap(({ tag }, at) => {
    const answer = answers[at];
    return answer?.kind === 'value' && !answer.value ? [] : [tag];
  });
}
