import { type Document, isAlias, isMap, isNode, isPair, isSeq, type LineCounter, type Node, type Pair } from 'yaml';
import type { SourcePlace } from '../errors.ts';

/** A path into the configuration: keys and list indexes. */
export type KeyPath = readonly PropertyKey[];

/** Finds where a value of a parsed YAML file was written. */
export interface Places {
  /** Where the value is, or the nearest enclosing one that is there (a missing key has no place of its own). */
  value(path: KeyPath): SourcePlace;
  /** Where the key itself is, for faults of the key. */
  key(path: KeyPath): SourcePlace;
}

/** Places in one document; `file` is repeated in each as it is. */
export function createPlaces(file: string, document: Document, lines: LineCounter): Places {
  const at = (offset: number): SourcePlace => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const start = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);
  /** Follows a path as far as it is there; `place` gives the offset of each entry met, the last one counts. */
  const follow = (path: KeyPath, place: (entry: Pair | Node, value: unknown) => number | undefined): SourcePlace => {
    let node: Node | null = document.contents;
    let found = start(node) ?? 0;
    for (const step of path) {
      const entry = child(document, node, step);
      if (!entry) break;
      const value = isPair(entry) ? entry.value : entry;
      found = place(entry, value) ?? found;
      node = isNode(value) ? value : null;
    }
    return at(found);
  };
  return {
    value: (path) =>
      follow(path, (entry, value) => {
        const keyStart = isPair(entry) ? start(entry.key) : undefined;
        // A block map starts at its first key; the key above it says better which one is meant.
        if (isPair(entry) && (isMap(value) || isSeq(value)) && !value.flow && keyStart !== undefined) return keyStart;
        // `key:` with nothing behind it has no value to point at; the key is what a person can see.
        return (isEmptyNode(value) ? keyStart : start(value)) ?? keyStart;
      }),
    key: (path) => follow(path, (entry) => (isPair(entry) ? start(entry.key) : start(entry))),
  };
}

function child(document: Document, node: Node | null, step: PropertyKey): Pair | Node | undefined {
  const real = isAlias(node) ? node.resolve(document) : node;
  if (isMap(real)) return real.items.find((pair) => keyText(pair) === String(step));
  if (isSeq(real)) {
    const item = real.items[Number(step)];
    return isNode(item) ? item : undefined;
  }
  return undefined;
}

function keyText(pair: Pair): string {
  const { key } = pair;
  return isNode(key) && 'value' in key ? String(key.value) : String(key);
}

function isEmptyNode(value: unknown): boolean {
  return !isNode(value) || (value.range !== null && value.range !== undefined && value.range[0] === value.range[1]);
}
