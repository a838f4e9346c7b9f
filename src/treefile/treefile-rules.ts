import type { Fault } from '../base/errors.ts';
import type { Item } from './item.ts';
import type { Layer } from './layer.ts';
import type { AddFile } from './structures.ts';
import type { KeyName } from './treefile-keys.ts';

/** What must hold between the merged values; the rules are rpm-ostree's own, found there later or on the way. */
export function checkRules(layer: Layer, faults: Fault[]): void {
  const items = (key: KeyName): readonly Item[] => layer.get(key)?.items ?? [];
  const refuse = ({ place }: Item, message: string): void => {
    faults.push({ place, message });
  };

  for (const item of items('add-files')) {
    const [, destination] = item.value as AddFile;
    if (!isInTree(destination)) {
      refuse(
        item,
        `add-files: ${destination} is not below /usr (without /usr/local) or /etc, which is all a tree can hold.`,
      );
    }
  }
  for (const item of items('remove-files')) {
    const parts = String(item.value).split('/');
    if (String(item.value).includes('..'))
      refuse(item, `remove-files: ${item.id} has "..", which no path of a tree may have.`);
    else if (parts.every((part) => part === '' || part === '.')) {
      refuse(item, `remove-files: ${JSON.stringify(item.value)} is the whole tree, not a path in it.`);
    }
  }
  for (const item of items('remove-from-packages')) {
    for (const pattern of (item.value as readonly string[]).slice(1)) {
      const why = notAnExpression(pattern);
      if (why !== undefined) refuse(item, `remove-from-packages: ${pattern} is not a regular expression: ${why}.`);
    }
  }
  for (const key of ['units', 'default-target'] as const) {
    for (const item of items(key)) {
      if (!isUnitName(String(item.value))) refuse(item, `${key}: ${JSON.stringify(item.value)} is not a unit name.`);
    }
  }
  for (const item of items('automatic-version-suffix')) {
    if (!/^[\x20-\x7e]$/.test(String(item.value)))
      refuse(item, 'automatic-version-suffix: must be a single ASCII character.');
  }
  for (const item of items('repovars')) {
    if (item.id === 'releasever') refuse(item, 'repovars: releasever is set by the key "releasever".');
    if (item.id === 'basearch') refuse(item, 'repovars: basearch is filled in by itself.');
  }
  for (const item of items('selinux-label-version')) {
    if (Number(item.value) > 1) refuse(item, 'selinux-label-version: must be 0 or 1.');
  }

  const [compat] = items('machineid-compat');
  const [unit] = items('units');
  if (compat?.value === false && unit) {
    refuse(
      unit,
      'units: has no effect with "machineid-compat: false"; ship a systemd preset file instead, or leave machineid-compat at true.',
    );
  }

  const excluded = new Set(items('exclude-packages').map(({ value }) => value));
  for (const item of items('packages')) {
    if (excluded.has(item.value))
      refuse(item, `packages: "${item.id}" is asked for here and excluded by exclude-packages.`);
  }
}

/**
 * Whether a text can be a unit's name (unit_name_is_valid, systemd's src/basic/unit-name.c), its type aside: the tree tells
 * whether it has such a unit.
 */
function isUnitName(text: string): boolean {
  return /^[A-Za-z0-9:_.\\-][A-Za-z0-9:_.\\@-]{0,254}$/.test(text) && !/^\.+$/.test(text);
}

/** Returns why a pattern is no expression of JavaScript, which is what rpm-ostree takes here. */
function notAnExpression(pattern: string): string | undefined {
  try {
    new RegExp(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : String(error);
  }
}

function isInTree(destination: string): boolean {
  const parts = destination.split('/');
  if (parts.includes('..') || ['', '.'].includes(parts.at(-1) ?? '')) return false;
  const path = parts.filter((part) => part !== '' && part !== '.').join('/');
  return /^(usr|etc|bin|sbin|lib|lib64)\/./.test(path) && !path.startsWith('usr/local/');
}
