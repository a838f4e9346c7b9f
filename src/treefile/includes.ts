import type { Fault, SourcePlace } from '../base/errors.ts';
import { didYouMean } from '../base/nearest.ts';
import { type Condition, readConditions } from './conditions.ts';
import { entries, items, text } from './shapes.ts';
import { kindOf, type Located, type LocatedMap } from './treefile-document.ts';
import { BASE_ARCHES } from './treefile-keys.ts';

/** A treefile named by another one. */
export interface IncludeRef {
  /** Path as written. */
  readonly path: string;
  readonly place: SourcePlace;
}

/** An entry of `conditional-include`: files, or an inline treefile. */
export interface ConditionalInclude {
  readonly conditions: readonly Condition[];
  readonly files: readonly IncludeRef[];
  readonly inlined?: LocatedMap;
}

export interface Includes {
  /** `include`, then `arch-include` of this architecture. */
  readonly always: readonly IncludeRef[];
  readonly conditional: readonly ConditionalInclude[];
}

/** Keys with no meaning in an inlined treefile: it has no folder, and it is read after variables and includes. */
const NOT_INLINED: readonly string[] = [
  'include',
  'arch-include',
  'conditional-include',
  'variables',
  'edition',
  'container',
  'postprocess-script',
  'add-files',
];

/** Reads the keys of a treefile that steer including. */
export function readIncludes(root: LocatedMap, basearch: string, faults: Fault[], notes: Fault[]): Includes {
  const always = refs(root.get('include')?.node, 'include', faults);
  const byArch = root.get('arch-include')?.node;
  const ofArch: IncludeRef[] = [];
  for (const [arch, { keyPlace, node }] of byArch ? (entries(byArch, faults) ?? []) : []) {
    if (arch !== basearch && !BASE_ARCHES.includes(arch)) {
      const guess = didYouMean(arch, BASE_ARCHES);
      notes.push({
        place: keyPlace,
        message: `arch-include: "${arch}" is not a known architecture; ignored.${guess}`,
      });
    }
    const named = refs(node, 'arch-include', faults);
    if (arch === basearch) ofArch.push(...named);
  }
  const list = root.get('conditional-include')?.node;
  const conditional = (list ? (items(list, faults) ?? []) : []).flatMap((node) => readConditional(node, faults) ?? []);
  return { always: [...always, ...ofArch], conditional };
}

function refs(node: Located | undefined, key: string, faults: Fault[]): IncludeRef[] {
  if (!node || node.value === null) return [];
  const nodes = Array.isArray(node.value) ? (node.value as readonly Located[]) : [node];
  return nodes.flatMap((one) => {
    if (typeof one.value === 'string') return [{ path: one.value, place: one.place }];
    faults.push({ place: one.place, message: `${key}: must be a path or a list of paths, but is ${kindOf(one)}.` });
    return [];
  });
}

function readConditional(node: Located, faults: Fault[]): ConditionalInclude | undefined {
  const own: Fault[] = [];
  const result = conditional(node, own);
  faults.push(...own.map(({ place, message }) => ({ place, message: `conditional-include: ${message}` })));
  return result;
}

function conditional(node: Located, faults: Fault[]): ConditionalInclude | undefined {
  const map = entries(node, faults, 'a map with "if" and "include"');
  if (!map) return undefined;
  for (const [key, { keyPlace }] of map) {
    if (key !== 'if' && key !== 'include')
      faults.push({ place: keyPlace, message: `unknown key "${key}"; known here: if, include.` });
  }
  const condition = map.get('if')?.node;
  const include = map.get('include')?.node;
  if (!condition || !include) {
    faults.push({ place: node.place, message: `"${condition ? 'include' : 'if'}" is missing here.` });
    return undefined;
  }
  const conditions = readConditions(condition, faults);
  if (!conditions) return undefined;
  if (!(include.value instanceof Map)) return { conditions, files: refs(include, 'include', faults) };
  const inlined = include.value as LocatedMap;
  for (const [key, entry] of inlined) {
    const asFile = (key === 'check-passwd' || key === 'check-groups') && usesFile(entry.node);
    if (asFile || NOT_INLINED.includes(key)) {
      faults.push({
        place: entry.keyPlace,
        message: `"${key}" cannot stand in an inlined treefile; put it into a file of its own.`,
      });
    }
  }
  return { conditions, files: [], inlined };
}

function usesFile({ value }: Located): boolean {
  if (!(value instanceof Map)) return false;
  const type = (value as LocatedMap).get('type')?.node;
  return type !== undefined && text(type, []) === 'file';
}
