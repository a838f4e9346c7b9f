/** What a sync of a tag ended with. `made`: nothing was sent, as configured. `refused`: a person must look. */
export type SyncResult = 'published' | 'made' | 'unchanged' | 'locked' | 'failed' | 'refused';

/** Times in milliseconds, as are all moments here, which are those of one clock. */
export interface QueueTimes {
  /** A tag is synced once nothing was heard of it for so long… */
  readonly quiet: number;
  /** …or once so long has passed since the first word of it. */
  readonly longest: number;
  /** Before the first retry; doubled before each further one, up to an hour. */
  readonly retry: number;
}

/** A tag that waits for a sync, or is being synced. */
export interface QueuedTag {
  readonly tag: string;
  readonly running: boolean;
  /** Syncs that failed since the last good one. */
  readonly failures: number;
  /** When the next sync is due; undefined while one runs and nothing was heard since it began. */
  readonly due?: number | undefined;
}

/** Tags side by side, each with one sync at a time: a broken one delays no other (C9). */
export interface TagQueue {
  /**
   * Notes that a tag may have changed. @param committed the hub said so; a message is sent before the hub commits, so after
   * one the tag is looked at again and again for the longest wait
   */
  heard(tag: string, now: number, committed: boolean): void;
  /** Asks for a sync now, whatever failed before. */
  ask(tag: string, now: number): void;
  /** Takes up to `most` tags that are due, the one that has waited longest first; they count as running. */
  take(now: number, most: number): string[];
  /** Notes how the sync of a tag that was taken ended. */
  ended(tag: string, result: SyncResult, now: number): void;
  /** When the next tag is due; undefined when none waits. */
  next(): number | undefined;
  tags(): QueuedTag[];
}

const LONGEST_RETRY = 3_600_000;

interface Entry {
  running: boolean;
  /** When the tag was first and last heard of since the last sync began. */
  heard: { first: number; last: number } | undefined;
  /** Until when it is looked at again because of a message, how often it was, and when next. */
  watch: { until: number; looks: number; next: number } | undefined;
  failures: number;
  /** Earliest time of the next sync, after a failure or while another process has the tag. */
  notBefore: number;
}

/** Makes an empty queue. */
export function tagQueue({ quiet, longest, retry }: QueueTimes): TagQueue {
  const entries = new Map<string, Entry>();

  function entryOf(tag: string): Entry {
    const entry = entries.get(tag) ?? { running: false, heard: undefined, watch: undefined, failures: 0, notBefore: 0 };
    entries.set(tag, entry);
    return entry;
  }

  function due({ running, heard, watch, failures, notBefore }: Entry): number | undefined {
    if (running) return undefined;
    const wanted = [
      ...(heard ? [Math.min(heard.last + quiet, heard.first + longest)] : []),
      ...(watch ? [watch.next] : []),
    ];
    if (wanted.length === 0 && failures === 0 && notBefore === 0) return undefined;
    return Math.max(notBefore, wanted.length === 0 ? 0 : Math.min(...wanted));
  }

  return {
    heard(tag, now, committed) {
      const entry = entryOf(tag);
      entry.heard = { first: entry.heard?.first ?? now, last: now };
      if (!committed) entry.watch = { until: now + longest, looks: 0, next: now + quiet };
    },
    ask(tag, now) {
      const entry = entryOf(tag);
      entry.heard = { first: now - longest, last: now };
      entry.notBefore = 0;
    },
    take(now, most) {
      const ready = [...entries].flatMap(([tag, entry]) => {
        const at = due(entry);
        return at !== undefined && at <= now ? [{ tag, entry, at }] : [];
      });
      return ready
        .toSorted((a, b) => a.at - b.at)
        .slice(0, Math.max(0, most))
        .map(({ tag, entry }) => {
          Object.assign(entry, { running: true, heard: undefined, notBefore: 0 });
          return tag;
        });
    },
    ended(tag, result, now) {
      const entry = entries.get(tag);
      if (!entry?.running) return;
      entry.running = false;
      if (result === 'failed') {
        entry.failures += 1;
        entry.notBefore = now + Math.min(LONGEST_RETRY, retry * 2 ** Math.min(30, entry.failures - 1));
        return;
      }
      if (result === 'locked') {
        entry.notBefore = now + quiet;
        return;
      }
      entry.failures = 0;
      if (entry.watch) {
        const { until, looks } = entry.watch;
        const next = Math.min(until, now + quiet * 3 ** Math.min(20, looks));
        entry.watch = now >= until || result === 'refused' ? undefined : { until, looks: looks + 1, next };
      }
      if (!entry.heard && !entry.watch) entries.delete(tag);
    },
    next() {
      const times = [...entries.values()].flatMap((entry) => due(entry) ?? []);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    tags: () =>
      [...entries]
        .map(([tag, entry]) => ({ tag, running: entry.running, failures: entry.failures, due: due(entry) }))
        .toSorted((a, b) => (a.tag < b.tag ? -1 : 1)),
  };
}
