import { parseNevra } from '../../rpm/evr.ts';
import type { Component, Source } from './component.ts';
import { type DebProvenance, type Provenance, provenanceText, type RpmProvenance } from './provenance-format.ts';

/** One part of a tree, of whatever kind. */
export type Part =
  | ({ readonly type: 'rpm' } & RpmProvenance)
  | ({ readonly type: 'deb' } & DebProvenance)
  | ({ readonly type: 'component' } & Component);

export interface ProvenanceDiff {
  readonly added: readonly Part[];
  readonly removed: readonly Part[];
  readonly changed: readonly { readonly from: Part; readonly to: Part }[];
  /** Files of the treefile by what became of them; undefined where both trees have the same treefile, or none. */
  readonly treefile?: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly string[];
  };
}

/** Compares what two trees are made of. */
export function compareProvenance(from: Provenance, to: Provenance): ProvenanceDiff {
  const [before, after] = [partsByName(from), partsByName(to)];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const added: Part[] = [];
  const removed: Part[] = [];
  const changed: { from: Part; to: Part }[] = [];
  for (const name of names) {
    const [old, now] = [before.get(name), after.get(name)];
    if (old === undefined && now !== undefined) added.push(now);
    else if (old !== undefined && now === undefined) removed.push(old);
    else if (old !== undefined && now !== undefined && textOf(old) !== textOf(now))
      changed.push({ from: old, to: now });
  }
  const treefile = treefileDiff(from, to);
  return { added, removed, changed, ...(treefile && { treefile }) };
}

/** Parts by type and name: packages of several architectures, and several versions of one that is there side by side, apart. */
function partsByName({ packages, debs, components }: Provenance): Map<string, Part> {
  const found = new Map<string, Part>();
  const add = (key: string, part: Part): void => {
    let free = key;
    for (let count = 2; found.has(free); count += 1) free = `${key} ${count}`;
    found.set(free, part);
  };
  for (const one of components) add(`1 ${one.name}`, { type: 'component', ...one });
  for (const one of debs) add(`2 ${one.name} ${one.arch}`, { type: 'deb', ...one });
  for (const one of packages) {
    const { name = one.nevra, arch = '' } = parseNevra(one.nevra) ?? {};
    add(`3 ${name} ${arch}`, { type: 'rpm', ...one });
  }
  return found;
}

const textOf = (part: Part): string => provenanceText(part);

function treefileDiff({ treefile: from }: Provenance, { treefile: to }: Provenance): ProvenanceDiff['treefile'] {
  const [before, after] = [from, to].map(
    (one) => new Map((one?.files ?? []).map(({ path, sha256 }) => [path, sha256])),
  );
  if (before === undefined || after === undefined || from?.digest === to?.digest) return undefined;
  return {
    added: [...after.keys()].filter((path) => !before.has(path)),
    removed: [...before.keys()].filter((path) => !after.has(path)),
    changed: [...after].flatMap(([path, sha256]) => {
      const old = before.get(path);
      return old === undefined || old === sha256 ? [] : [path];
    }),
  };
}

/** A source of a component that nothing pins: what it gave then, it need not give again. */
export interface UnpinnedSource {
  readonly component: string;
  readonly source: Source;
}

/** Returns the sources that have neither commit nor digest. */
export function unpinnedSources({ components }: Provenance): UnpinnedSource[] {
  return components.flatMap(({ name, sources }) =>
    sources
      .filter(({ commit, digest }) => commit === undefined && digest === undefined)
      .map((source) => ({ component: name, source })),
  );
}
