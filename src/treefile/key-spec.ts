import type { Fault } from '../base/errors.ts';
import type { Item } from './item.ts';
import { splitPackages } from './package-lists.ts';
import { entries, items, type Shape, text } from './shapes.ts';
import type { Located } from './treefile-document.ts';

/**
 * How a key behaves when a treefile meets what it includes (rpm-ostree's rust/src/treefile.rs, `treefile_merge`):
 * - `first`: the including file's value stands, the included one only fills a gap;
 * - `list`: included entries first, then one's own; nothing is dropped;
 * - `set`: both together, sorted, each once;
 * - `map`: both together, sorted by key; for equal keys the including file's value stands.
 */
export type Merge = 'first' | 'list' | 'set' | 'map';

export interface KeySpec<T> {
  readonly merge: Merge;
  /** Reads the value as written into its entries. */
  readonly take: (node: Located, faults: Fault[]) => readonly Item[];
  /** Puts the merged entries together again. */
  readonly assemble: (merged: readonly Item[]) => T;
  /** The older name with underscores that rpm-ostree still takes. Using both in one file is an error. */
  readonly alias?: string;
  /** A value that asks for nothing: every engine can honour it. */
  readonly neutral?: unknown;
  /** `reader`: done with once the treefile is read. `made`: never written in a treefile, the reader finds it. */
  readonly role?: 'reader' | 'made';
}

type Extra = Pick<KeySpec<unknown>, 'alias' | 'neutral' | 'role'>;

/** Returns a key with one value. */
export function plain<T>(shape: Shape<T>, extra: Extra = {}): KeySpec<T> {
  return {
    merge: 'first',
    take: (node, faults) => one('', shape, node, faults),
    assemble: (merged) => merged[0]?.value as T,
    ...extra,
  };
}

/** Returns a list whose order counts. With `named` an entry's own text tells it apart in `origins`, else its index. */
export function list<T>(shape: Shape<T>, extra: Extra & { readonly named?: boolean } = {}): KeySpec<readonly T[]> {
  const { named, ...rest } = extra;
  return {
    merge: 'list',
    take: (node, faults) =>
      (items(node, faults) ?? []).flatMap((item) => {
        const value = shape(item, faults);
        if (value === undefined) return [];
        return [{ id: named ? String(value) : '', value, place: item.place }];
      }),
    assemble: (merged) => merged.map(({ value }) => value as T),
    neutral: [],
    ...rest,
  };
}

/** Names whose order does not count. `split`: an entry may hold several, as in rpm-ostree's package lists. */
export function names(extra: Extra & { readonly split?: boolean } = {}): KeySpec<readonly string[]> {
  const { split, ...rest } = extra;
  return {
    merge: 'set',
    take: (node, faults) =>
      (items(node, faults, 'a list of text') ?? []).flatMap((item) => {
        const written = text(item, faults);
        if (written === undefined) return [];
        const found = split ? splitPackages(written, item.place, faults) : [written];
        return found.map((name) => ({ id: name, value: name, place: item.place }));
      }),
    assemble: (merged) => merged.map(({ id }) => id),
    neutral: [],
    ...rest,
  };
}

/** Returns a map of names to values. */
export function mapOf<T>(shape: Shape<T>, extra: Extra = {}): KeySpec<Readonly<Record<string, T>>> {
  return {
    merge: 'map',
    take: (node, faults) =>
      [...(entries(node, faults) ?? [])].flatMap(([key, entry]) =>
        one(key, shape, entry.node, faults).map((item) => ({ ...item, place: entry.keyPlace })),
      ),
    assemble: (merged) => Object.fromEntries(merged.map(({ id, value }) => [id, value as T])),
    neutral: {},
    ...extra,
  };
}

function one<T>(id: string, shape: Shape<T>, node: Located, faults: Fault[]): Item[] {
  const value = shape(node, faults);
  return value === undefined ? [] : [{ id, value, place: node.place }];
}
