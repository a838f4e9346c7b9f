import type { Fault, SourcePlace } from '../base/errors.ts';
import { didYouMean } from '../base/nearest.ts';
import type { Item } from './item.ts';
import { kindOf, type Located, type LocatedEntry, type LocatedMap, type TreefileFormat } from './treefile-document.ts';
import {
  BASE_ARCHES,
  CLIENT_KEYS,
  INCLUDE_KEYS,
  KEY_NAMES,
  type KeyName,
  keySpec,
  OLD_PACKAGE_KEYS,
  REMOVED_KEYS,
} from './treefile-keys.ts';

/** What one treefile, or several merged ones, say for each key. */
export type Layer = Map<KeyName, Part>;

export interface Part {
  /** Where the key stands. */
  readonly place: SourcePlace;
  readonly items: readonly Item[];
}

/**
 * Reads the value keys of one treefile. Keys that steer including are left to includes.ts. What rpm-ostree passes over
 * without a word, unknown keys in JSON and package lists for architectures that nobody has, goes to `notes`.
 */
export function readLayer(
  root: LocatedMap,
  format: TreefileFormat,
  basearch: string,
  faults: Fault[],
  notes: Fault[],
): Layer {
  const layer: Layer = new Map();
  for (const [written, entry] of root) {
    if (isSteering(written) || (format === 'json' && isRemark(written))) continue;
    const target = targetOf(written, basearch);
    const { keyPlace } = entry;
    if (target === undefined && format === 'json' && !isRefused(written)) {
      const guess = didYouMean(written, knownKeys());
      notes.push({
        place: keyPlace,
        message: `"${written}" is not a key; rpm-ostree ignores such keys in JSON.${guess}`,
      });
    } else if (target === undefined) faults.push({ place: keyPlace, message: unknownKey(written) });
    else if (target.strange !== undefined) {
      const guess = didYouMean(target.strange, BASE_ARCHES);
      notes.push({
        place: keyPlace,
        message: `"${written}" is for no architecture that is known here; ignored.${guess}`,
      });
      addPart(layer, target, written, entry, root, faults);
    }
    // Present but empty is the same as absent.
    else if (entry.node.value !== null) addPart(layer, target, written, entry, root, faults);
  }
  implyDefaults(layer);
  return layer;
}

function addPart(
  layer: Layer,
  target: Target,
  written: string,
  { keyPlace, node }: LocatedEntry,
  root: LocatedMap,
  faults: Fault[],
): void {
  const { key, applies } = target;
  if (keySpec(key).alias === written && root.has(key)) {
    faults.push({
      place: keyPlace,
      message: `"${written}" is the old name of "${key}", which is in this file too.`,
    });
  }
  const own: Fault[] = [];
  // Keys of other architectures are checked all the same: a fault in them is better found now than on that machine.
  const items = keySpec(key).take(node, own);
  faults.push(...own.map(({ place, message }) => ({ place, message: `${written}: ${message}` })));
  if (!applies) return;
  const before = layer.get(key);
  layer.set(key, before ? { place: before.place, items: [...before.items, ...items] } : { place: keyPlace, items });
}

function isSteering(written: string): boolean {
  return INCLUDE_KEYS.some((key) => key === written);
}

/** JSON has no comments, so its writers made keys of them; and `osname` was for other tools than rpm-ostree. */
function isRemark(written: string): boolean {
  return written === 'osname' || written === 'comment' || written === '_comment' || written.endsWith('-comment');
}

interface Target {
  readonly key: KeyName;
  /** Whether it counts for the architecture that is read for. */
  readonly applies: boolean;
  /** X of a key `packages-X` when it is no base architecture. */
  readonly strange?: string;
}

/** Returns the key that a written name stands for; undefined when there is none. */
function targetOf(written: string, basearch: string): Target | undefined {
  const key = KEY_NAMES.find((name) => name === written || keySpec(name).alias === written);
  if (key !== undefined) return keySpec(key).role === 'made' ? undefined : { key, applies: true };
  if (OLD_PACKAGE_KEYS.some((name) => name === written)) return { key: 'packages', applies: true };
  if (!written.startsWith('packages-') || CLIENT_KEYS.includes(written)) return undefined;
  const arch = written.slice('packages-'.length);
  const applies = arch === basearch;
  return { key: 'packages', applies, ...(applies || BASE_ARCHES.includes(arch) ? {} : { strange: arch }) };
}

/** Whether a key at the top of a treefile in JSON is only a remark, or unknown to rpm-ostree, which is the same there. */
export function isIgnoredInJson(written: string): boolean {
  return isRemark(written) || (!isSteering(written) && targetOf(written, '') === undefined && !isRefused(written));
}

/** Keys that rpm-ostree knows, or knew, but a compose cannot have: no remarks, in no format. */
function isRefused(written: string): boolean {
  return CLIENT_KEYS.includes(written) || Object.hasOwn(REMOVED_KEYS, written);
}

function knownKeys(): string[] {
  return [
    ...KEY_NAMES.filter((name) => keySpec(name).role !== 'made'),
    ...INCLUDE_KEYS,
    ...BASE_ARCHES.map((arch) => `packages-${arch}`),
  ];
}

function unknownKey(written: string): string {
  if (CLIENT_KEYS.includes(written)) {
    return `"${written}" is for hosts that layer packages; rpm-ostree refuses it in a compose.`;
  }
  const removed = Object.hasOwn(REMOVED_KEYS, written) ? REMOVED_KEYS[written] : undefined;
  if (removed !== undefined) return `"${written}" is no longer a key: ${removed}.`;
  return `unknown key "${written}".${didYouMean(written, knownKeys())}`;
}

/**
 * What `container` and the edition of 2024 imply, within the file that has them, so that an including file can still
 * say otherwise.
 */
function implyDefaults(layer: Layer): void {
  const container = layer.get('container');
  const edition = layer.get('edition');
  const set = (key: KeyName, value: unknown, { place }: Part): void => {
    layer.set(key, { place, items: [{ id: '', value, place }] });
  };
  if (container?.items[0]?.value === true) {
    set('boot-location', 'modules', container);
    set('selinux', false, container);
    set('tmp-is-dir', true, container);
    set('preserve-passwd', false, container);
    set('check-passwd', { type: 'none' }, container);
    set('check-groups', { type: 'none' }, container);
  }
  if (edition?.items[0]?.value === '2024') {
    if (!layer.has('boot-location')) set('boot-location', 'modules', edition);
    if (!layer.has('tmp-is-dir')) set('tmp-is-dir', true, edition);
  }
}

/** Merges what a treefile includes (`from`) into what it says itself (`into`); see `Merge` for the rules. */
export function mergeLayer(into: Layer, from: Layer): void {
  for (const [key, theirs] of from) {
    const ours = into.get(key);
    into.set(key, ours ? { place: ours.place, items: mergeItems(key, ours.items, theirs.items) } : theirs);
  }
}

function mergeItems(key: KeyName, ours: readonly Item[], theirs: readonly Item[]): readonly Item[] {
  const { merge } = keySpec(key);
  switch (merge) {
    case 'first':
      return ours;
    case 'list':
      return [...theirs, ...ours];
    case 'set':
    case 'map':
      return unique([...ours, ...theirs]);
  }
}

/** Returns the first entry of each id, sorted by id. */
export function unique(items: readonly Item[]): Item[] {
  const byId = new Map<string, Item>();
  for (const item of items) if (!byId.has(item.id)) byId.set(item.id, item);
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Returns the map at the top of a treefile, or undefined with a fault. */
export function topMap(root: Located, faults: Fault[]): LocatedMap | undefined {
  if (root.value instanceof Map) return root.value as LocatedMap;
  faults.push({ place: root.place, message: `a treefile is a map of keys, this is ${kindOf(root)}.` });
  return undefined;
}
