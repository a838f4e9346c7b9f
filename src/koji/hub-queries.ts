import { z } from 'zod';
import type { HubCall } from './hub.ts';
import {
  eventShape,
  type HistoryEntry,
  type HubEvent,
  type HubTag,
  historyShape,
  type TaggedBuild,
  type TaggedRpm,
  taggedBuildShape,
  taggedRpmShape,
  tagShape,
  userShape,
} from './hub-shapes.ts';
import { keywords } from './write-call.ts';
import type { XmlRpcValue } from './xml-rpc-value.ts';

/** Calls that read. With the same event, several of them see one state of the hub, whatever happens meanwhile. */

const read = <Value>(method: string, params: readonly XmlRpcValue[], shape: z.ZodType<Value>): HubCall<Value> => ({
  ...{ method, params, shape },
  login: false,
});

/** The last event that has been committed. */
export const lastEvent = (): HubCall<HubEvent> => read('getLastEvent', [], eventShape);

/** The last event before a time; null when there was none. @param before seconds since the epoch */
export const lastEventBefore = (before: number): HubCall<HubEvent | null> =>
  read('getLastEvent', [keywords({ before })], eventShape.nullable());

/** Tags whose names fit a pattern with `*` and `?`, as of now. */
export const listTags = (pattern: string): HubCall<HubTag[]> =>
  read('listTags', [keywords({ pattern })], z.array(tagShape));

/** A tag with what it inherits of architectures; null for a name that no tag has. */
export const tagConfig = (tag: string, event: number): HubCall<HubTag | null> =>
  read('getBuildConfig', [tag, keywords({ event })], tagShape.nullable());

/** A tag as of an event; null for a name that no tag had. */
export const getTag = (tag: string, event: number): HubCall<HubTag | null> =>
  read('getTag', [tag, keywords({ event })], tagShape.nullable());

/** What a tag itself has, every version of a package. @throws NightlyError `koji` (at the call) for an unknown tag. */
export const taggedBuilds = (tag: string, event: number): HubCall<TaggedBuild[]> =>
  read('listTagged', [tag, keywords({ event, inherit: false, latest: false })], z.array(taggedBuildShape));

/** The RPMs of `taggedBuilds` with their signatures, a row for each, and the builds again. */
export const taggedRpms = (tag: string, event: number): HubCall<[TaggedRpm[], TaggedBuild[]]> =>
  read(
    'listTaggedRPMS',
    [tag, keywords({ event, inherit: false, latest: false, rpmsigs: true, extra: false })],
    z.tuple([z.array(taggedRpmShape), z.array(taggedBuildShape)]),
  );

const history = z.object({ tag_listing: z.array(historyShape).default([]) });

/** Who put which build into a tag and took it out again, from the beginning. */
export const tagHistory = (tag: string): HubCall<{ tag_listing: HistoryEntry[] }> =>
  read('queryHistory', [keywords({ tables: ['tag_listing'], tag })], history);

/** What came into any tag, or left one, after an event. */
export const historyAfter = (event: number): HubCall<{ tag_listing: HistoryEntry[] }> =>
  read('queryHistory', [keywords({ tables: ['tag_listing'], afterEvent: event })], history);

/**
 * Whether anything about tags has changed after an event: what is tagged, architectures, package lists, inheritance,
 * groups.
 * @param tags their ids; names do not do
 */
export const tagsChangedSince = (event: number, tags: readonly number[]): HubCall<boolean> =>
  read('tagChangedSinceEvent', [event, tags], z.boolean());

/** Who the session belongs to. */
export const loggedInUser = (): HubCall<z.output<typeof userShape> | null> => ({
  ...read('getLoggedInUser', [], userShape.nullable()),
  login: true,
});

/** What that user may do: `sign`, `admin`, … */
export const permissions = (): HubCall<string[]> => ({ ...read('getPerms', [], z.array(z.string())), login: true });
