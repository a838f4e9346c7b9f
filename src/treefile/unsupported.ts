import { isDeepStrictEqual } from 'node:util';
import { NightlyError, type SourcePlace } from '../base/errors.ts';
import type { Treefile } from './treefile.ts';
import { placeText } from './treefile-faults.ts';
import { KEY_NAMES, type KeyName, keySpec } from './treefile-keys.ts';

export interface UnsupportedKey {
  readonly key: KeyName;
  /** Missing for what no file says. */
  readonly place: SourcePlace | undefined;
}

/**
 * Returns the keys of a treefile that ask for something and are not in `supported`. Keys that the reader has dealt with
 * (variables, edition, metadata, …) need no support, and neither does a value that asks for nothing, such as
 * `ima: false` or an empty list.
 */
export function unsupportedKeys(treefile: Treefile, supported: ReadonlySet<KeyName>): UnsupportedKey[] {
  return KEY_NAMES.filter((key) => {
    const value = treefile.values[key];
    if (value === undefined || supported.has(key)) return false;
    const { role, neutral } = keySpec(key);
    return role !== 'reader' && !isDeepStrictEqual(value, neutral);
  }).map((key) => ({ key, place: treefile.origins.get(key) }));
}

/**
 * Refuses a treefile that asks for more than an engine can do. `engine` is its name in the message.
 * @throws NightlyError `unsupported`, naming every such key with its place.
 */
export function refuseUnsupported(treefile: Treefile, supported: ReadonlySet<KeyName>, engine: string): void {
  const found = unsupportedKeys(treefile, supported);
  if (found.length === 0) return;
  const lines = found.map(({ key, place }) => `  ${key}${place ? ` (${placeText(place)})` : ''}`);
  throw new NightlyError(
    'unsupported',
    [`The ${engine} engine cannot honour these treefile keys:`, ...lines].join('\n'),
    {
      hint: 'Remove the keys, or build with an engine that knows them (rpm-ostree).',
    },
  );
}
