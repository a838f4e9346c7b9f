import type { Treefile } from './treefile.ts';
import { KEY_NAMES, type KeyName, type TreefileValues } from './treefile-keys.ts';

export type TreefileJson = Readonly<Record<string, unknown>>;

/** Consumed while reading, or found by the reader: rpm-ostree does not write these either. */
const NOT_WRITTEN: ReadonlySet<KeyName> = new Set(['variables', 'repovars', 'finalize.d']);

/**
 * Returns the flattened treefile as rpm-ostree puts it into the tree at /usr/share/rpm-ostree/treefile.json: keys in
 * rpm-ostree's order, file names as the treefiles write them (not resolved). rpm-ostree writes it with two spaces of
 * indentation and no newline at the end: `JSON.stringify(treefileJson(treefile), null, 2)`.
 */
export function treefileJson({ values, written }: Pick<Treefile, 'values' | 'written'>): TreefileJson {
  return writtenValues(values, written, NOT_WRITTEN);
}

/** Returns the text that the digest is made of: like the above, but with every key that affects the result. */
export function digestJson({ values, written }: Pick<Treefile, 'values' | 'written'>): string {
  // Variables have done their work in the other keys; the paths of finalize.d are hashed by content.
  return JSON.stringify(writtenValues(values, written, new Set<KeyName>(['variables', 'finalize.d'])));
}

function writtenValues(
  values: TreefileValues,
  written: ReadonlyMap<string, string>,
  without: ReadonlySet<KeyName>,
): TreefileJson {
  const name = (path: string): string => written.get(path) ?? path;
  const { 'postprocess-script': script, 'add-files': added, 'check-passwd': passwd, 'check-groups': groups } = values;
  const all: TreefileValues = {
    ...values,
    packages: values.packages ?? [],
    ...(script === undefined ? {} : { 'postprocess-script': name(script) }),
    ...(added === undefined ? {} : { 'add-files': added.map(([from, to]) => [name(from), to] as const) }),
    ...(passwd?.type === 'file' ? { 'check-passwd': { ...passwd, filename: name(passwd.filename) } } : {}),
    ...(groups?.type === 'file' ? { 'check-groups': { ...groups, filename: name(groups.filename) } } : {}),
  };
  return Object.fromEntries(
    KEY_NAMES.filter((key) => !without.has(key) && all[key] !== undefined).map((key) => [key, all[key]]),
  );
}
