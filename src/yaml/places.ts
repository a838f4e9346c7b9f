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
  return {
    value(path) {
      let node: Node | null = document.contents;
      let found = start(node) ?? 0;
      for (const step of path) {
        const entry = child(document, node, step);
        if (!entry) break;
        const value = isPair(entry) ? entry.value : entry;
        // `key:` with nothing behind it has no value to point at; the key is what a person can see.
        const keyStart = isPair(entry) ? start(entry.key) : undefined;
        found = (isEmptyNode(value) ? keyStart : start(value)) ?? keyStart ?? found;
        // A block map starts at its first key; the key above it says better which one is meant.
        if (isPair(entry) && (isMap(value) || isSeq(value)) && !value.flow) found = keyStart ?? found;
        node = isNode(value) ? value : null;
      }
      return at(found);
    },
    key(path) {
      let node: Node | null = document.contents;
      let found = start(node) ?? 0;
      for (const step of path) {
        const entry = child(document, node, step);
        if (!entry) break;
        const value = isPair(entry) ? entry.value : entry;
        found = (isPair(entry) ? start(entry.key) : start(entry)) ?? found;
        node = isNode(value) ? value : null;
      }
      return at(found);
    },
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
