import { type RepoPackages, splitPackages } from './package-lists.ts';
import { count, entries, items, optional, record, required, type Shape, text, texts } from './shapes.ts';
import { kindOf } from './treefile-document.ts';

/** Source and destination. */
export type AddFile = readonly [string, string];

/** `entries`: user to uid, or to uid and gid. */
export type CheckPasswd =
  | { readonly type: 'none' }
  | { readonly type: 'previous' }
  | { readonly type: 'file'; readonly filename: string }
  | { readonly type: 'data'; readonly entries: Readonly<Record<string, PasswdEntry>> };

export type PasswdEntry = number | readonly [number] | readonly [number, number];

/** `entries`: group to gid. */
export type CheckGroups =
  | { readonly type: 'none' }
  | { readonly type: 'previous' }
  | { readonly type: 'file'; readonly filename: string }
  | { readonly type: 'data'; readonly entries: Readonly<Record<string, number>> };

/** Metadata of the retired "rpm-ostree jigdo"; still accepted. */
export interface Rojig {
  readonly name: string;
  readonly summary: string;
  readonly license: string;
  readonly description?: string;
}

export const rojig: Shape<Rojig> = record<Rojig>({
  name: required(text),
  summary: required(text),
  license: required(text),
  description: optional<string>(text),
});

/** Accepts an entry of `repo-packages`: its repository, and its packages, each once and sorted. */
export const repoPackages: Shape<RepoPackages> = (node, faults) => {
  const raw = record<{ repo: string; packages: readonly string[] }>({
    repo: required(text),
    packages: required(texts),
  })(node, faults);
  if (!raw) return undefined;
  const found = raw.packages.flatMap((entry) => splitPackages(entry, node.place, faults));
  return { repo: raw.repo, packages: [...new Set(found)].sort((a, b) => (a < b ? -1 : 1)) };
};

/** Accepts an entry of `add-files`: a file, and its path in the tree. */
export const addFile: Shape<AddFile> = (node, faults) => {
  const pair = texts(node, faults);
  const [source, destination] = pair ?? [];
  if (source !== undefined && destination !== undefined && pair?.length === 2) return [source, destination];
  if (pair) faults.push({ place: node.place, message: 'must be a pair: the file, and its path in the tree.' });
  return undefined;
};

/** Accepts an entry of `remove-from-packages`: a package, and regular expressions for its files. */
export const removeFromPackage: Shape<readonly string[]> = (node, faults) => {
  const words = texts(node, faults);
  if (words && words.length >= 2) return words;
  if (words) faults.push({ place: node.place, message: 'must name a package and at least one regular expression.' });
  return undefined;
};

const passwdEntry: Shape<PasswdEntry> = (node, faults) => {
  if (!Array.isArray(node.value)) return count(node, faults);
  const ids = items(node, faults)?.flatMap((item) => count(item, faults) ?? []) ?? [];
  const [uid, gid] = ids;
  if (uid !== undefined && ids.length === 1) return [uid];
  if (uid !== undefined && gid !== undefined && ids.length === 2) return [uid, gid];
  faults.push({ place: node.place, message: 'must be a uid, or a list of a uid and a gid.' });
  return undefined;
};

export const checkPasswd: Shape<CheckPasswd> = check(passwdEntry);
export const checkGroups: Shape<CheckGroups> = check(count);

type Check<T> =
  | { readonly type: 'none' }
  | { readonly type: 'previous' }
  | { readonly type: 'file'; readonly filename: string }
  | { readonly type: 'data'; readonly entries: Readonly<Record<string, T>> };

function check<T>(entry: Shape<T>): Shape<Check<T>> {
  return (node, faults) => {
    const found = entries(node, faults, 'a map with "type"');
    if (!found) return undefined;
    const typeNode = found.get('type')?.node;
    const type = typeNode?.value;
    const known: Readonly<Record<string, readonly string[]>> = {
      none: [],
      previous: [],
      file: ['filename'],
      data: ['entries'],
    };
    if (typeof type !== 'string' || !Object.hasOwn(known, type)) {
      const what = typeNode ? `is ${kindOf(typeNode)}` : 'is missing';
      faults.push({
        place: typeNode?.place ?? node.place,
        message: `"type" ${what}; it is one of none, previous, file, data.`,
      });
      return undefined;
    }
    const fields = known[type] ?? [];
    for (const [key, { keyPlace }] of found) {
      if (key !== 'type' && !fields.includes(key)) {
        faults.push({ place: keyPlace, message: `"${key}" does not go with "type": "${type}".` });
      }
    }
    for (const field of fields) {
      if (!found.has(field)) faults.push({ place: node.place, message: `"${field}" is missing here.` });
    }
    if (type === 'none' || type === 'previous') return { type };
    const detail = found.get(fields[0] ?? '')?.node;
    if (!detail) return undefined;
    if (type === 'file') {
      const filename = text(detail, faults);
      return filename === undefined ? undefined : { type, filename };
    }
    const data = entries(detail, faults);
    if (!data) return undefined;
    const ids = [...data].flatMap(([name, inner]) => {
      const value = entry(inner.node, faults);
      return value === undefined ? [] : [[name, value] as const];
    });
    // Sorted as rpm-ostree writes them, so that the order of writing does not count.
    return { type: 'data', entries: Object.fromEntries(ids.sort(([a], [b]) => (a < b ? -1 : 1))) };
  };
}
