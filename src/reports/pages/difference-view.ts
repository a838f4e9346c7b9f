import { formatBytes } from '../../base/format.ts';
import type { PackageDiff } from '../../rpm/pkgdiff.ts';

/** What differs between two builds, as `pipelines/diff-builds.ts` finds it. */
export interface Difference {
  readonly pkgdiff: PackageDiff;
  readonly kernel: { readonly from?: string; readonly to?: string };
  readonly images: Readonly<Record<string, { readonly from?: number; readonly to?: number }>>;
  readonly files?: { readonly added: number; readonly removed: number; readonly changed: number };
  readonly update?: { readonly objects: number; readonly bytes: number };
}

interface DifferenceRow {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** Returns what differs between two builds beside their packages, for the tables and sentences of pages. */
export function differenceView({ kernel, images, files, update }: Difference) {
  const size = (bytes: number | undefined) => (bytes === undefined ? 'none' : formatBytes(bytes));
  const kernelRow: DifferenceRow = { name: 'Kernel', from: kernel.from ?? 'none', to: kernel.to ?? 'none' };
  const imageRows = Object.entries(images).map(
    ([type, { from, to }]): DifferenceRow => ({ name: `Image ${type}`, from: size(from), to: size(to) }),
  );
  return {
    kernelRow,
    imageRows,
    files: files ? `${files.added} added, ${files.removed} removed, ${files.changed} changed` : '',
    update: update ? `${update.objects} objects, ${formatBytes(update.bytes)}` : '',
  };
}
