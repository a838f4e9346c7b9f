import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import type { Fault, SourcePlace } from '../base/errors.ts';
import { MAX_LEVELS, tooDeepAt } from '../base/yaml/yaml-depth.ts';
import { syntaxMessage, tellingErrors } from '../base/yaml/yaml-document.ts';

/** A value together with where it was written. */
export interface Located {
  readonly place: SourcePlace;
  readonly value: string | number | boolean | null | readonly Located[] | LocatedMap;
}

/** The entries of a map in the order of the file. */
export type LocatedMap = ReadonlyMap<string, LocatedEntry>;

export interface LocatedEntry {
  /** Where the key stands. */
  readonly keyPlace: SourcePlace;
  readonly node: Located;
}

export type TreefileFormat = 'json' | 'yaml';

/** Tells the format by the name alone, as rpm-ostree does: `.yaml` and `.yml` are YAML, everything else is JSON. */
export function formatOf(path: string): TreefileFormat {
  return path.endsWith('.yaml') || path.endsWith('.yml') ? 'yaml' : 'json';
}

/**
 * Parses the text of a treefile, keeping places. Syntax faults are added to `faults`, and then there is no result.
 * JSON goes through the YAML parser too, which knows places; what it would let pass beyond JSON is refused. A key
 * written twice is a fault in both, except at the top of JSON where `mayRepeat` says so (remarks, which are ignored).
 */
export function parseTreefileText(
  file: string,
  text: string,
  faults: Fault[],
  mayRepeat: (key: string) => boolean = () => false,
): Located | undefined {
  const deep = tooDeepAt(text);
  if (deep === undefined) return parse(file, text, faults, mayRepeat);
  const before = text.slice(0, deep).split('\n');
  const place = { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  faults.push({ place, message: TOO_DEEP });
  return undefined;
}

const TOO_DEEP = `lists and maps nest too deeply, more than ${MAX_LEVELS} levels.`;

/**
 * How many values the aliases of a file may stand for. A few lines of aliases of aliases stand for billions; rpm-ostree
 * has such a limit too. Real treefiles have hundreds.
 */
const MAX_ALIASED = 20_000;

function parse(file: string, text: string, faults: Fault[], mayRepeat: (key: string) => boolean): Located | undefined {
  const lines = new LineCounter();
  const place = (offset: number): SourcePlace => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const json = formatOf(file) === 'json';
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: !json,
    ...(json ? { schema: 'json' } : { version: '1.2' }),
  });
  const problems = [...tellingErrors(document.errors), ...document.warnings];
  for (const problem of problems) {
    faults.push({
      place: place(problem.pos[0]),
      message: `not valid ${json ? 'JSON' : 'YAML'}: ${syntaxMessage(problem)}.`,
    });
  }
  if (problems.length > 0) return undefined;
  if (json && !isStrictJson(file, text, faults, place)) return undefined;
  // Nothing but comments: a treefile without keys, as real ones leave behind when their last workaround goes.
  if (!document.contents) return { place: { file, line: 1, column: 1 }, value: new Map() };

  const top = { file, line: 1, column: 1 };
  return locator(document, place, faults, mayRepeat)(document.contents as Node, top, []);
}

/** Returns the value of a node with its place. @param above the place of what it is in, @param through the nodes it is in */
type Locate = (node: Node | null, above: SourcePlace, through: readonly Node[]) => Located;

/** Returns what walks a document, adding faults; aliases are followed, as often as the document may. */
function locator(
  document: Document,
  place: (offset: number) => SourcePlace,
  faults: Fault[],
  mayRepeat: (key: string) => boolean,
): Locate {
  const refuse = (here: SourcePlace, message: string): Located => {
    faults.push({ place: here, message });
    return { place: here, value: null };
  };
  const targets = new Map<Alias, Node | undefined>();
  const targetOf = (alias: Alias): Node | undefined => {
    // Each look goes through the whole file.
    if (!targets.has(alias)) targets.set(alias, alias.resolve(document));
    return targets.get(alias);
  };
  let [aliased, inAlias] = [0, 0];

  const locate: Locate = (node, above, through) => {
    const here = node?.range ? place(node.range[0]) : above;
    if (inAlias > 0) {
      aliased += 1;
      if (aliased === MAX_ALIASED)
        return refuse(here, `the aliases of this file stand for more than ${MAX_ALIASED} values.`);
      if (aliased > MAX_ALIASED) return { place: here, value: null };
    }
    if (node === null) return { place: here, value: null };
    // Each alias may have its own levels below those of another.
    if (through.length > MAX_LEVELS) return refuse(here, TOO_DEEP);
    if (isAlias(node)) return followed(node, here, through);
    const inside = [...through, node];
    if (isSeq(node)) return { place: here, value: node.items.map((item) => locate(item as Node, here, inside)) };
    if (isMap(node)) return { place: here, value: entriesOf(node, here, inside) };
    const scalar = isScalar(node) ? node.value : undefined;
    if (scalar === null || ['string', 'number', 'boolean'].includes(typeof scalar)) {
      return { place: here, value: scalar as string | number | boolean | null };
    }
    return refuse(here, `${String(node)} is neither text, a number, true, false, a list nor a map.`);
  };

  function followed(alias: Alias, here: SourcePlace, through: readonly Node[]): Located {
    const target = targetOf(alias);
    if (!target || through.includes(target))
      return refuse(here, `the alias *${alias.source} does not lead to a finished value.`);
    inAlias += 1;
    const { value } = locate(target, here, [...through, target]);
    inAlias -= 1;
    return { place: here, value };
  }

  function entriesOf(map: YAMLMap, here: SourcePlace, inside: readonly Node[]): LocatedMap {
    const entries = new Map<string, LocatedEntry>();
    for (const { key, value } of map.items) {
      const keyNode = key as Node;
      const keyPlace = keyNode.range ? place(keyNode.range[0]) : here;
      const name = isScalar(keyNode) ? String(keyNode.value) : String(keyNode);
      const before = entries.get(name)?.keyPlace;
      if (before && !(inside.length === 1 && mayRepeat(name))) {
        const message = `"${name}" is on line ${before.line ?? 0} too; a key may occur only once.`;
        faults.push({ place: keyPlace, message });
      }
      entries.set(name, { keyPlace, node: locate(value as Node | null, keyPlace, inside) });
    }
    return entries;
  }

  return locate;
}

function isStrictJson(file: string, text: string, faults: Fault[], place: (offset: number) => SourcePlace): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    // Node words it "… in JSON at position 12 (line 1 column 13)"; the position is missing at the end of the text.
    const message = error instanceof Error ? error.message : String(error);
    const position = /at position (\d+)/.exec(message)?.[1];
    faults.push({
      place: position === undefined ? { file } : place(Number(position)),
      message: `not valid JSON: ${message}. A name ending in .yaml or .yml would be read as YAML.`,
    });
    return false;
  }
}

/** Returns what a value is, in words for messages. */
export function kindOf({ value }: Located): string {
  if (value === null) return 'nothing';
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  if (typeof value !== 'object') return String(value);
  return value instanceof Map ? 'a map' : 'a list';
}
