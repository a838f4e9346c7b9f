import { formatCount } from '../../base/format.ts';
import { pageView } from './page.ts';
import { type StateView, stateView } from './page-state.ts';
import { timeView } from './time-view.ts';

/** A tag of koji as its pages tell of it. */
export interface ListedTag {
  readonly tag: string;
  /** What was made of it last; undefined: nothing yet, or its record cannot be read. */
  readonly made?:
    | {
        /** Seconds since the epoch. */
        readonly at: number;
        readonly event: number;
        readonly pushed: boolean;
        readonly packages: number;
        readonly blocked: readonly { readonly file: string; readonly why: string }[];
        /** Where it was published before its rule named another place. */
        readonly left?: readonly { readonly target: string; readonly folder: string }[];
      }
    | undefined;
  /** What the queue has of it; undefined: it is not in it. `due` in ms since the epoch. */
  readonly queued?:
    | { readonly running: boolean; readonly failures: number; readonly due?: number | undefined }
    | undefined;
  /** Why it is not processed, or what its last try failed for. */
  readonly problem?: string | undefined;
}

/** A publication of a tag. */
export interface TagPublication {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly event: number;
  readonly key: string;
  readonly pushed: boolean;
  readonly added: readonly TagChangeLine[];
  readonly removed: readonly TagChangeLine[];
}

/** `by`: who tagged or untagged its build in koji. */
export interface TagChangeLine {
  readonly file: string;
  readonly by?: string | undefined;
}

interface Options {
  readonly product: string;
  /** Since when the hub has not answered, ms since the epoch. */
  readonly awaySince?: number | undefined;
}

/** Returns the page of all tags: the values of the template `content`. */
export function contentPage({ product, awaySince }: Options, tags: readonly ListedTag[]) {
  return {
    ...pageView(product, 'Content', { depth: 1, live: true }),
    away: awaySince === undefined ? false : timeView(awaySince),
    tags: tags.map((tag) => ({ ...tagRow(tag), href: `${encodeURIComponent(tag.tag)}/` })),
  };
}

/** Changes that a publication on the page lists; the record has all. */
const LISTED = 50;

/** Returns the page of a tag: the values of the template `tag`. @param history newest first */
export function tagPage({ product }: Options, tag: ListedTag, history: readonly TagPublication[]) {
  return {
    ...pageView(product, `Tag ${tag.tag}`, { depth: 2, live: true }),
    ...tagRow(tag),
    ...(tag.made && { made: { ...madeView(tag.made), packages: formatCount(tag.made.packages, 'package') } }),
    blockedFiles: tag.made?.blocked ?? [],
    left: tag.made?.left ?? [],
    history: history.map(({ at, event, key, pushed, added, removed }) => ({
      ...{ time: timeView(at), event: String(event), key, pushed },
      changes: [...changeLines('added', added), ...changeLines('removed', removed)],
    })),
  };
}

function changeLines(word: 'added' | 'removed', lines: readonly TagChangeLine[]) {
  const shown = lines.slice(0, LISTED).map(({ file, by = '' }) => ({ word, file, by }));
  const more = lines.length - shown.length;
  return more > 0 ? [...shown, { word, file: `and ${more} more`, by: '' }] : shown;
}

function tagRow({ tag, made, queued, problem }: ListedTag) {
  return {
    tag,
    state: stateOf(made, queued, problem),
    made: made ? madeView(made) : false,
    blocked: made?.blocked.length ?? 0,
    next: queued?.due === undefined ? false : timeView(queued.due),
    problem: problem ?? '',
  };
}

const madeView = ({ at, event, packages }: NonNullable<ListedTag['made']>) => ({
  ...{ time: timeView(at * 1000), event: String(event), packages: String(packages) },
});

function stateOf(made: ListedTag['made'], queued: ListedTag['queued'], problem: string | undefined): StateView {
  if (queued?.running) return { ...stateView('running'), label: 'being processed' };
  if (problem !== undefined || (queued && queued.failures > 0)) return { ...stateView('failed'), label: 'failed' };
  if (queued) return { ...stateView('incomplete'), label: 'waits' };
  if (!made) return { ...stateView('unchanged'), label: 'not yet published' };
  return { ...stateView('complete'), label: made.pushed ? 'published' : 'made, not sent' };
}
