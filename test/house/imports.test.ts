import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

/**
 * Circles that are still there, each named by the first of its files. This list may only shrink: a circle that is gone
 * must be taken off it.
 */
const KNOWN_CIRCLES: readonly string[] = [];

/** What each file of src/ imports from src/, types and lazy imports included. */
function importGraph(): Map<string, readonly string[]> {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return new Map(files.toSorted().map((name) => [name, importsOf(name)]));
}

function importsOf(name: string): string[] {
  const text = readFileSync(join(SRC, name), 'utf8');
  const found = text.matchAll(/(?:^(?:import|export)\b[^'"]*?from|\bimport\()\s*'(\.[^']+\.ts)'/gm);
  return [...new Set([...found].map((one) => normalize(join(dirname(name), one[1] ?? ''))))];
}

/** Groups of files that import each other (Tarjan's strongly connected components), those of one file left out. */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node) ?? 0);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node) ?? 0, low.get(next) ?? 0));
    }
    if (low.get(node) !== index.get(node)) return;
    const group = stack.splice(stack.indexOf(node)).toSorted();
    if (group.length > 1 || graph.get(node)?.includes(node)) circles.push(group);
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return circles;
}

/** One way around a circle, from its first file back to it: what to cut is seen in it. */
function wayAround(group: readonly string[], graph: ReadonlyMap<string, readonly string[]>): string {
  const [start = ''] = group;
  const from = new Map<string, string>();
  const queue = [start];
  for (const node of queue) {
    for (const next of graph.get(node) ?? []) {
      if (next === start) {
        const way = [next];
        for (let at: string | undefined = node; at !== undefined; at = from.get(at)) way.unshift(at);
        return way.join(' -> ');
      }
      if (!group.includes(next) || from.has(next)) continue;
      from.set(next, node);
      queue.push(next);
    }
  }
  return group.join(', ');
}

const graph = importGraph();

test('every import in src/ leads to a file there', () => {
  const lost = [...graph].flatMap(([name, all]) =>
    all.filter((one) => !graph.has(one)).map((one) => `${name}: ${one}`),
  );
  expect(lost).toEqual([]);
  expect([...graph.values()].flat().length).toBeGreaterThan(1000);
});

test('no files of src/ import each other in a circle, not even their types', () => {
  const circles = circlesOf(graph);
  const fresh = circles.filter(([first = '']) => !KNOWN_CIRCLES.includes(first));
  expect(fresh.map((one) => `${one.length} files: ${wayAround(one, graph)}`)).toEqual([]);
  const gone = KNOWN_CIRCLES.filter((name) => !circles.some(([first]) => first === name));
  expect(gone, 'circles that are gone: take them off the list').toEqual([]);
});

test('a circle is found, and the way around it told', () => {
  const drawn = new Map([
    ['a', ['b', 'd']],
    ['b', ['c']],
    ['c', ['a', 'd']],
    ['d', []],
    ['e', ['e']],
  ]);
  expect(circlesOf(drawn).map((one) => wayAround(one, drawn))).toEqual(['a -> b -> c -> a', 'e -> e']);
});
