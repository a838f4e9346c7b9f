import type { Fault } from '../base/errors.ts';
import { kindOf, type Located, type LocatedMap } from './treefile-document.ts';

/** Reads one kind of value; what does not fit is added to `faults` and gives undefined. */
export type Shape<T> = (node: Located, faults: Fault[]) => T | undefined;

/** Any JSON value. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A treefile variable: the types conditions can compare. Numbers are whole and not negative. */
export type Variable = string | number | boolean;

function wanted(what: string, node: Located, faults: Fault[], more = ''): undefined {
  faults.push({ place: node.place, message: `must be ${what}, but is ${kindOf(node)}.${more}` });
  return undefined;
}

/** Accepts text; a number is to be put in quotes. */
export const text: Shape<string> = (node, faults) =>
  typeof node.value === 'string'
    ? node.value
    : wanted('text', node, faults, typeof node.value === 'number' ? ' Put it in quotes.' : '');

/** Accepts true and false. */
export const flag: Shape<boolean> = (node, faults) =>
  typeof node.value === 'boolean' ? node.value : wanted('true or false', node, faults);

/** A whole number from 0. */
export const count: Shape<number> = (node, faults) =>
  typeof node.value === 'number' && Number.isSafeInteger(node.value) && node.value >= 0
    ? node.value
    : wanted('a whole number from 0', node, faults);

/** Accepts one of several words. */
export function oneOf<T extends string>(...choices: readonly T[]): Shape<T> {
  return (node, faults) =>
    choices.find((choice) => choice === node.value) ?? wanted(`one of ${choices.join(', ')}`, node, faults);
}

/** Accepts what `oneOf` accepts, and older spellings of the choices. */
export function oneOfWithOld<T extends string>(choices: readonly T[], old: Readonly<Record<string, T>>): Shape<T> {
  const plain = oneOf(...choices);
  return (node, faults) =>
    typeof node.value === 'string' && Object.hasOwn(old, node.value) ? old[node.value] : plain(node, faults);
}

/** Accepts the value of a variable of a treefile: text, a whole number from 0, true or false. */
export const variable: Shape<Variable> = (node, faults) =>
  typeof node.value === 'string' || typeof node.value === 'boolean'
    ? node.value
    : typeof node.value === 'number' && Number.isSafeInteger(node.value) && node.value >= 0
      ? node.value
      : wanted('text, a whole number from 0, true or false', node, faults);

/** `releasever`: text or a whole number, kept as it was written because conditions compare types. */
export const textOrCount: Shape<string | number> = (node, faults) =>
  typeof node.value === 'string' ? node.value : count(node, faults);

/** Any value; maps come out sorted by key, so that the order of writing does not count. */
export const anyJson: Shape<JsonValue> = (node, faults) => {
  const { value } = node;
  if (value === null || typeof value !== 'object') return value;
  if (!(value instanceof Map)) return (value as readonly Located[]).map((item) => anyJson(item, faults) ?? null);
  return Object.fromEntries(
    [...(value as LocatedMap)]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { node: inner }]) => [key, anyJson(inner, faults) ?? null]),
  );
};

/** Returns the items of a list; undefined, with a fault, for anything else. */
export function items(node: Located, faults: Fault[], what = 'a list'): readonly Located[] | undefined {
  return Array.isArray(node.value) ? (node.value as readonly Located[]) : wanted(what, node, faults);
}

/** Returns the entries of a map; undefined, with a fault, for anything else. */
export function entries(node: Located, faults: Fault[], what = 'a map'): LocatedMap | undefined {
  return node.value instanceof Map ? (node.value as LocatedMap) : wanted(what, node, faults);
}

/** A list of text. */
export const texts: Shape<readonly string[]> = (node, faults) =>
  items(node, faults, 'a list of text')?.flatMap((item) => text(item, faults) ?? []);

/** Returns a map with fixed keys; a key that is not among them is a fault, and so is a missing one that has no `?`. */
export function record<T extends object>(fields: { readonly [K in keyof T]-?: Field<T[K]> }): Shape<T> {
  return (node, faults) => {
    const found = entries(node, faults);
    if (!found) return undefined;
    const before = faults.length;
    for (const [key, { keyPlace }] of found) {
      if (!Object.hasOwn(fields, key)) {
        faults.push({
          place: keyPlace,
          message: `unknown key "${key}"; known here: ${Object.keys(fields).join(', ')}.`,
        });
      }
    }
    const result: Record<string, unknown> = {};
    for (const [key, field] of Object.entries<Field<unknown>>(fields)) {
      const entry = found.get(key);
      if (entry && entry.node.value !== null) result[key] = field.shape(entry.node, faults);
      else if (!field.optional) faults.push({ place: node.place, message: `"${key}" is missing here.` });
    }
    return faults.length === before ? (result as T) : undefined;
  };
}

export interface Field<T> {
  readonly shape: Shape<Exclude<T, undefined>>;
  readonly optional: boolean;
}

/** Makes a key of a map that must be there. */
export const required = <T>(shape: Shape<Exclude<T, undefined>>): Field<T> => ({ shape, optional: false });
/** Makes a key of a map that may be left out. */
export const optional = <T>(shape: Shape<Exclude<T, undefined>>): Field<T | undefined> => ({
  shape: shape as Shape<Exclude<T | undefined, undefined>>,
  optional: true,
});
