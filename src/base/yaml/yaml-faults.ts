import type { z } from 'zod';
import { type Fault, formatPlace, NightlyError } from '../errors.ts';
import { didYouMean } from '../nearest.ts';
import type { KeyPath, Places } from './yaml-places.ts';

/**
 * Returns all faults of a file as one error, one line each, in the order of the file. `hint` says what helps to correct
 * them.
 */
export function faultsError(file: string, faults: readonly Fault[], hint: string): NightlyError {
  const sorted = faults.toSorted(
    (a, b) => (a.place.line ?? 0) - (b.place.line ?? 0) || (a.place.column ?? 0) - (b.place.column ?? 0),
  );
  const lines = new Map(sorted.map((fault) => [`${formatPlace(fault.place)}: ${fault.message}`, fault]));
  const count = lines.size === 1 ? 'a fault' : `${lines.size} faults`;
  return new NightlyError('config', [`${file} has ${count}:`, ...lines.keys()].join('\n'), {
    hint,
    faults: [...lines.values()],
  });
}

/** What a fault is looked up in. */
interface Context {
  /** The value that zod looked at. */
  readonly input: unknown;
  readonly places: Places;
  /** The keys that may stand in the map at a path. */
  readonly knownKeys: (path: KeyPath) => readonly string[];
}

/** Returns what zod found, as faults with a place. */
export function schemaFaults(issues: readonly z.core.$ZodIssue[], context: Context): Fault[] {
  return issues.flatMap((issue) => issueFaults(issue, context));
}

function issueFaults(issue: z.core.$ZodIssue, context: Context): Fault[] {
  const { path } = issue;
  const { places } = context;
  const value = valueAt(context.input, path);
  const fault = (message: string): Fault[] => [{ place: places.value(path), message: `${dotted(path)}${message}` }];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        place: places.key([...path, key]),
        message: unknownKey(key, path, context.knownKeys(path)),
      }));
    case 'invalid_key': {
      const why = issue.issues.map((inner) => inner.message).join(', ');
      return [{ place: places.key(path), message: `${dotted(path)}the name ${why}.` }];
    }
    case 'invalid_union':
      return unionFaults(issue, value, context);
    case 'invalid_type':
      return value === undefined
        ? missing(path, expectation(issue), places)
        : fault(`expected ${expectation(issue)}, found ${shown(value)}.`);
    case 'invalid_value': {
      if (value === undefined) return missing(path, expectation(issue), places);
      const words = issue.values.filter((one) => typeof one === 'string');
      const guess = typeof value === 'string' ? didYouMean(value, words) : '';
      return fault(`expected ${expectation(issue)}, found ${shown(value)}.${guess}`);
    }
    case 'too_small':
      return fault(typeof value === 'number' ? `must be at least ${issue.minimum}.` : `${issue.message}.`);
    case 'too_big':
      return fault(`must be at most ${issue.maximum}.`);
    case 'invalid_format':
      return fault(`${shown(value)} ${issue.message}.`);
    case 'custom':
    case 'not_multiple_of':
    case 'invalid_element':
      return fault(`${issue.message}.`);
  }
}

type UnionIssue = z.core.$ZodIssue & { readonly code: 'invalid_union' };

function unionFaults(issue: UnionIssue, value: unknown, context: Context): Fault[] {
  const { path } = issue;
  // A union over a tag, whose path is the tag's: it is missing or unknown.
  if (issue.errors.length === 0) {
    const options = 'options' in issue ? (issue.options ?? []).map(String) : [];
    if (value === undefined) return missing(path, options.join(' or '), context.places);
    const guess = typeof value === 'string' ? didYouMean(value, options) : '';
    const message = `${dotted(path)}expected ${options.join(' or ')}, found ${shown(value)}.${guess}`;
    return [{ place: context.places.value(path), message }];
  }
  // A union over kinds of values: only the alternative of the written kind is worth a message.
  const chosen = issue.errors.find(
    (inner) => !inner.some((one) => one.path.length === 0 && one.code !== 'unrecognized_keys'),
  );
  if (chosen) {
    return schemaFaults(
      chosen.map((inner) => ({ ...inner, path: [...path, ...inner.path] })),
      context,
    );
  }
  const expected = [...new Set(issue.errors.flatMap((inner) => inner.map(expectation)))];
  if (value === undefined) return missing(path, expected.join(' or '), context.places);
  const words = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_value' ? inner.values : []));
  const guess = typeof value === 'string' ? didYouMean(value, words.map(String)) : '';
  const message = `${dotted(path)}expected ${expected.join(' or ')}, found ${shown(value)}.${guess}`;
  return [{ place: context.places.value(path), message }];
}

/** A key that is not there is reported at the map it should be in. */
function missing(path: KeyPath, expected: string, places: Places): Fault[] {
  const parent = path.slice(0, -1);
  const key = String(path.at(-1) ?? 'the file');
  return [{ place: places.value(parent), message: `${dotted(parent)}"${key}" is missing; it must be ${expected}.` }];
}

/** `streams.nightly: ` in front of a message; nothing for the file as a whole. */
export function dotted(path: KeyPath): string {
  return path.length === 0 ? '' : `${path.map(String).join('.')}: `;
}

function unknownKey(key: string, path: KeyPath, known: readonly string[]): string {
  if (/pass(word|phrase|wd)|token|secret|api-?key/i.test(key) && !key.endsWith('-file')) {
    return `${dotted(path)}"${key}" looks like a secret. Secrets are not written here; a "…-file" key names the file.`;
  }
  const guess = didYouMean(key, known);
  return `${dotted(path)}unknown key "${key}".${guess || ` Known here: ${known.toSorted().join(', ')}.`}`;
}

/** Returns what a failed check wanted, in words. */
export function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return issue.values.map(String).join(' or ');
  if (issue.code !== 'invalid_type') return issue.message;
  const words: Readonly<Record<string, string>> = {
    string: 'text',
    int: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a map of keys',
    record: 'a map of names',
  };
  return words[issue.expected] ?? issue.expected;
}

function shown(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function valueAt(input: unknown, path: KeyPath): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}
