import { capital } from '../../base/format.ts';
import { changesByKind, type PackageDiff, partNames, summarizeDiff } from '../../rpm/pkgdiff.ts';
import { encodeName } from './links.ts';

/** Package changes as pages show them, in the order of `rpm-ostree db diff`. */
export interface PackagesView {
  readonly summary: string;
  /** `Packages`, `Components`; one of them: `Package`. */
  readonly title: string;
  readonly one: string;
  readonly count: number;
  /** So many that they are folded. */
  readonly long: boolean;
  readonly changes: readonly {
    readonly kind: string;
    readonly name: string;
    /** The name as a part of an address; empty where the page links to no other. */
    readonly query: string;
    readonly from: string;
    readonly to: string;
  }[];
}

/** @param linked whether names lead to the search, which a page that is one file for itself has not */
export function packagesView(diff: PackageDiff, linked = true): PackagesView {
  const changes = changesByKind(diff).flatMap(({ word, changes: ofKind }) =>
    ofKind.map(([name, , { PreviousPackage: from, NewPackage: to }]) => {
      const arches = from && to && from[2] !== to[2];
      const text = (one: typeof from) => (one ? `${one[1]}${arches ? `.${one[2]}` : ''}` : '');
      return { kind: word, name, query: linked ? encodeName(name) : '', from: text(from), to: text(to) };
    }),
  );
  const { one, many } = partNames(diff);
  const titles = { title: capital(many), one: capital(one) };
  return { summary: summarizeDiff(diff), ...titles, count: changes.length, long: changes.length > 80, changes };
}
