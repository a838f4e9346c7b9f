import type { Fault, SourcePlace } from '../base/errors.ts';
import type { Item } from './item.ts';
import type { Layer } from './layer.ts';
import type { Variable } from './shapes.ts';
import type { KeyName } from './treefile-keys.ts';

/** Filled in by the reader and by `releasever`; nobody may define them. */
export const BUILT_IN_VARIABLES: readonly string[] = ['basearch', 'releasever'];

/** All variables known at a point of reading. A place is missing for `basearch` and for those of the caller. */
export type Variables = Map<string, { readonly value: Variable; readonly place?: SourcePlace }>;

/** The keys in which rpm-ostree replaces `${name}`; of maps, the values that are text. */
const SUBSTITUTED: ReadonlySet<KeyName> = new Set([
  'ref',
  'rojig',
  'metadata',
  'add-commit-metadata',
  'automatic-version-prefix',
  'mutate-os-release',
  'platform-module',
]);

/**
 * Takes the variables of one file (its `variables` and `releasever`). What is defined already stays: the caller wins
 * over the top file, and that over what it includes.
 */
export function takeVariables(layer: Layer, known: Variables, faults: Fault[]): void {
  for (const { id, value, place } of layer.get('variables')?.items ?? []) {
    if (BUILT_IN_VARIABLES.includes(id)) {
      faults.push({ place, message: `variables: "${id}" is built in and cannot be defined.` });
    } else if (!known.has(id)) known.set(id, { value: value as Variable, place });
  }
  layer.delete('variables');
  const [releasever] = layer.get('releasever')?.items ?? [];
  if (releasever && !known.has('releasever')) {
    known.set('releasever', { value: releasever.value as Variable, place: releasever.place });
  }
}

/** Replaces `${name}` in the keys that take it. An unknown name is a fault. */
export function substituteVariables(layer: Layer, variables: Variables, faults: Fault[]): void {
  for (const [name, { value, place }] of variables) {
    if (/[${}]/.test(`${name}${String(value)}`)) {
      faults.push({
        place: place ?? { file: 'caller' },
        message: `variables: "${name}" may not have $, { or } in its name or value.`,
      });
    }
  }
  for (const [key, part] of layer) {
    if (!SUBSTITUTED.has(key)) continue;
    const items = part.items.map((item) => ({ ...item, value: substituted(key, item, variables, faults) }));
    layer.set(key, { ...part, items });
  }
}

function substituted(key: KeyName, item: Item, variables: Variables, faults: Fault[]): unknown {
  const replace = (text: string): string =>
    text.replaceAll(/\$\{([^}]*)\}/g, (whole, name: string) => {
      const variable = variables.get(name);
      if (variable) return String(variable.value);
      const known = [...variables.keys()].join(', ');
      faults.push({ place: item.place, message: `${key}: the variable ${whole} is not defined; defined: ${known}.` });
      return whole;
    });
  if (typeof item.value === 'string') return replace(item.value);
  if (key === 'rojig' && typeof item.value === 'object' && item.value !== null) {
    // rpm-ostree leaves the license alone.
    return Object.fromEntries(
      Object.entries(item.value).map(([name, value]) => [
        name,
        typeof value === 'string' && name !== 'license' ? replace(value) : value,
      ]),
    );
  }
  return item.value;
}
