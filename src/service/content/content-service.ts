import { join } from 'node:path';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import { NightlyError } from '../../base/errors.ts';
import { quietTask } from '../../base/task.ts';
import type { Config } from '../../config/config.ts';
import { assignTags } from '../../content/assign-tags.ts';
import { type TagQueue, tagQueue } from '../../content/tag-queue.ts';
import type { ServiceLog } from '../service-log.ts';
import { serviceFolder } from '../service-state.ts';
import { wakeablePause } from '../wakeable-pause.ts';
import type { pollHub, SeenByPoll } from './poll-hub.ts';
import type { runSync, TagOutcome } from './run-sync.ts';

/** What the content part of a service does now. */
export interface ContentStatus {
  readonly tags: ReturnType<TagQueue['tags']>;
  /** Tags whose last try failed, or that a person must look at, with the reason. */
  readonly problems: readonly { readonly tag: string; readonly why: string }[];
  /** Since when the hub has not answered, ms since the epoch; undefined: it did. */
  readonly awaySince?: number | undefined;
  /** When all tags were compared last, ms since the epoch. */
  readonly comparedAt?: number | undefined;
}

/** Keeps repositories equal to their tags: hears messages, polls the hub, compares everything daily. */
export interface ContentService {
  /** A message said that a tag may have changed. It is not believed, the hub is read (C2). */
  heard(tag: string): void;
  /**
   * Asks for a tag to be processed again. @param from who asks, for the log
   * @throws NightlyError `usage` for a tag that no rule is for, `interrupted` while the service stops.
   */
  ask(tag: string, from: string): void;
  status(): ContentStatus;
  /** Ends what runs: the next service completes it. */
  drain(): Promise<void>;
}

export interface ContentOptions {
  /** Makes repositories equal to their tags, as `runSync` does. */
  readonly sync: typeof runSync;
  /** Asks the hub what has changed, as `pollHub` does. */
  readonly poll: typeof pollHub;
  /** Given the tag that was published, to start the nightly builds that use it. */
  readonly onPublished: (tag: string) => void;
}

/** Syncs side by side: one of them waits for the network most of the time. */
const AT_ONCE = 3;
const RETRY_MS = 60_000;
/** All tags are compared as often as this, whatever was heard. */
const COMPARE_MS = 24 * 3_600_000;
/** Returns a moment of the clock that nobody sets as one of the wall's, for people. */
const wallTime = (moment: number): number => Math.round(performance.timeOrigin + moment);

/** Starts the content part of a service; undefined where nothing is configured. */
export function startContent(
  config: Config,
  log: ServiceLog,
  { sync, poll: askHub, onPublished }: ContentOptions,
): ContentService | undefined {
  const { content, koji, work } = config;
  if (content === undefined || koji === undefined) return undefined;
  const queue = tagQueue({
    quiet: content.quietSeconds * 1000,
    longest: content.longestWaitSeconds * 1000,
    retry: RETRY_MS,
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  const { pause, wake } = wakeablePause();
  const running = new Set<Promise<void>>();
  const problems = new Map<string, string>();
  let awaySince: number | undefined;
  let comparedAt: number | undefined;
  let compareAt = 0;
  let comparing = false;
  let pollAt = 0;
  let polling: Promise<void> | undefined;
  let hasPolled = false;
  let seen: SeenByPoll | undefined;

  const isOurs = (tag: string): boolean => assignTags(content, [tag]).assigned.length > 0;
  const taskOf = (name: string) => quietTask(join(serviceFolder(work), `content-${name}.log`), signal);

  function start(what: () => Promise<void>): void {
    const run = what()
      .catch((error: unknown) => {
        if (signal.aborted) return;
        const { message, hint = '' } = asNightlyError(error);
        log(`error: content: ${message} ${hint}`);
      })
      .finally(() => {
        running.delete(run);
        wake();
      });
    running.add(run);
  }

  function note({ tag, state, reason }: TagOutcome): void {
    if (state === 'failed' || state === 'refused') problems.set(tag, reason ?? state);
    else if (state !== 'locked') problems.delete(tag);
    if (state === 'unchanged') return;
    log(`content: ${tag}: ${state}${reason === undefined ? '' : `: ${reason}`}`, { tag, state });
  }

  async function syncTag(tag: string): Promise<void> {
    let state: TagOutcome['state'] = 'failed';
    try {
      const [outcome] = await sync(config, [tag], taskOf(tag));
      if (!outcome) throw new NightlyError('bug', `"content sync ${tag}" did not say how it ended.`);
      ({ state } = outcome);
      note(outcome);
      if (state === 'published') onPublished(tag);
    } finally {
      queue.ended(tag, state, performance.now());
    }
  }

  /** Compares all tags with the hub: at the start, which is the backlog, and daily, for what nothing told of. */
  async function compare(): Promise<void> {
    comparing = true;
    try {
      const outcomes = await sync(config, 'all', taskOf('all'));
      const now = Date.now();
      comparedAt = now;
      compareAt = performance.now() + COMPARE_MS;
      for (const outcome of outcomes) {
        note(outcome);
        if (outcome.state === 'published') onPublished(outcome.tag);
        if (['failed', 'locked'].includes(outcome.state)) queue.heard(outcome.tag, performance.now(), true);
      }
    } finally {
      comparing = false;
      compareAt = Math.max(compareAt, performance.now() + RETRY_MS);
    }
  }

  async function poll(): Promise<void> {
    pollAt = performance.now() + (content?.pollSeconds ?? 0) * 1000;
    try {
      const polled = await askHub(config, seen, taskOf('poll'));
      if (awaySince !== undefined) log('content: the hub answers again');
      awaySince = undefined;
      seen = polled.seen;
      for (const tag of polled.changed) queue.heard(tag, performance.now(), true);
    } catch (error) {
      if (signal.aborted) return;
      if (awaySince === undefined) log(`content: ${asNightlyError(error).message}`);
      awaySince ??= Date.now();
    } finally {
      polling = undefined;
      hasPolled = true;
      wake();
    }
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      const now = performance.now();
      // A hub that takes its time, or never answers, holds up no tag.
      if (polling === undefined && pollAt <= now) polling = poll();
      // The poll first: what changes while everything is compared is found by the next one.
      if (hasPolled && !comparing && compareAt <= now) start(compare);
      for (const tag of queue.take(now, AT_ONCE - running.size)) start(() => syncTag(tag));
      const times = [
        polling !== undefined ? Number.POSITIVE_INFINITY : pollAt,
        hasPolled && !comparing ? compareAt : Number.POSITIVE_INFINITY,
        queue.next() ?? Number.POSITIVE_INFINITY,
      ];
      const next = running.size >= AT_ONCE ? Number.POSITIVE_INFINITY : Math.min(...times);
      await pause(Math.max(10, next - performance.now()));
    }
  }

  const ended = loop();
  return {
    heard(tag) {
      if (!isOurs(tag)) return;
      queue.heard(tag, performance.now(), false);
      wake();
    },
    ask(tag, from) {
      if (signal.aborted) throw new NightlyError('interrupted', 'The service is stopping.');
      if (!isOurs(tag)) {
        throw new NightlyError('usage', `No rule of "content" is for the tag "${tag}".`, {
          hint: 'See "atomic-nightly content status" for the tags there are.',
        });
      }
      log(`content: ${tag}: asked for by ${from}`, { tag });
      queue.ask(tag, performance.now());
      wake();
    },
    status: () => ({
      tags: queue.tags().map((one) => ({ ...one, due: one.due === undefined ? undefined : wallTime(one.due) })),
      problems: [...problems].map(([tag, why]) => ({ tag, why })),
      awaySince,
      comparedAt,
    }),
    async drain() {
      stopping.abort(new NightlyError('interrupted', 'The service is stopping.'));
      wake();
      await ended;
      await Promise.all([polling, ...running]);
    },
  };
}
