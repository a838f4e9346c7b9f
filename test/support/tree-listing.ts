/** One line of `ostree ls -RXC`: what a commit's tree has at a path. */
export interface TreeEntry {
  readonly type: string;
  readonly mode: string;
  readonly owner: string;
  readonly checksum: string;
  readonly xattrs: string;
  /** What a link leads to. */
  readonly target: string;
}

export type DifferenceKind = 'missing' | 'extra' | 'type' | 'mode' | 'owner' | 'target' | 'xattrs' | 'content';

/** A path at which two trees differ, and in what: `missing` where only the first has it, `extra` where only the second. */
export interface Difference {
  readonly path: string;
  readonly kind: DifferenceKind;
  readonly before?: TreeEntry;
  readonly after?: TreeEntry;
}

const LINE = /^(.)(\d{5}) (\d+) (\d+) +\d+ ([0-9a-f]{64})(?: [0-9a-f]{64})? (\{.*?\}) (\/.*)$/;

/** Reads such a listing. Kernel versions in paths are put out of it, as they change with every update of the distribution. */
export function parseTreeListing(text: string): Map<string, TreeEntry> {
  const entries = new Map<string, TreeEntry>();
  const kver = /^[^\n]* \/usr\/lib\/modules\/([^/\n]+)\/vmlinuz$/m.exec(text)?.[1];
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const match = LINE.exec(kver === undefined ? line : line.replaceAll(kver, 'KVER'));
    if (!match) throw new Error(`not a line of ostree ls -RXC: ${line}`);
    const [, type = '', mode = '', uid = '', gid = '', checksum = '', xattrs = '', rest = ''] = match;
    const [path = '', target = ''] = type === 'l' ? rest.split(' -> ', 2) : [rest];
    entries.set(path, { type, mode, owner: `${uid}:${gid}`, checksum, xattrs, target });
  }
  return entries;
}

/** Every difference between two trees, by path; of a path with several the first in this order. */
export function compareTrees(
  before: ReadonlyMap<string, TreeEntry>,
  after: ReadonlyMap<string, TreeEntry>,
): Difference[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path): Difference[] => {
    const [a, b] = [before.get(path), after.get(path)];
    if (a === undefined) return b === undefined ? [] : [{ path, kind: 'extra', after: b }];
    if (b === undefined) return [{ path, kind: 'missing', before: a }];
    const kind = differenceOf(a, b);
    return kind === undefined ? [] : [{ path, kind, before: a, after: b }];
  });
}

function differenceOf(a: TreeEntry, b: TreeEntry): DifferenceKind | undefined {
  if (a.type !== b.type) return 'type';
  if (a.owner !== b.owner) return 'owner';
  if (a.mode !== b.mode) return 'mode';
  if (a.target !== b.target) return 'target';
  if (a.xattrs !== b.xattrs) return 'xattrs';
  // A folder's checksum is of what is in it, which is compared by itself; a link's is of its target.
  return a.type === '-' && a.checksum !== b.checksum ? 'content' : undefined;
}

/** Why trees may differ in some way. */
export interface MeantClass {
  readonly name: string;
  readonly kinds: readonly DifferenceKind[];
  readonly paths: RegExp;
  /** A further condition. */
  readonly when?: (difference: Difference) => boolean;
}

/** Sorts differences into classes, the first that fits. What fits none is in `other`. */
export function classify(
  differences: readonly Difference[],
  classes: readonly MeantClass[],
): { readonly found: ReadonlyMap<string, readonly Difference[]>; readonly other: readonly Difference[] } {
  const found = new Map<string, Difference[]>();
  const other: Difference[] = [];
  for (const one of differences) {
    const fits = classes.find(
      ({ kinds, paths, when }) => kinds.includes(one.kind) && paths.test(one.path) && (when?.(one) ?? true),
    );
    if (fits) found.set(fits.name, [...(found.get(fits.name) ?? []), one]);
    else other.push(one);
  }
  return { found, other };
}
