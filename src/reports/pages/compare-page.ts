import { formatBytes } from '../../base/format.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { PackageDiff } from '../../rpm/pkgdiff.ts';
import { pageView } from './page.ts';
import { packagesView } from './page-packages.ts';
import { timeView } from './time-view.ts';

/** What differs between two builds, as `pipelines/diff-builds.ts` finds it. */
export interface Difference {
  readonly pkgdiff: PackageDiff;
  readonly kernel: { readonly from?: string; readonly to?: string };
  readonly images: Readonly<Record<string, { readonly from?: number; readonly to?: number }>>;
  readonly files?: { readonly added: number; readonly removed: number; readonly changed: number };
  readonly update?: { readonly objects: number; readonly bytes: number };
}

/** Two builds beside each other: the values of the template `compare`. */
export function comparePage(from: BuildMeta, to: BuildMeta, difference: Difference, live: boolean) {
  const page = pageView(to.name, `${from.buildid} to ${to.buildid}`, { depth: 3, live });
  const { links } = page;
  const { pkgdiff, kernel, images, files, update } = difference;
  const side = (meta: BuildMeta) => ({
    id: meta.buildid,
    href: links.build(meta.buildid, meta.basearch),
    stream: meta.stream,
    time: timeView(meta.ostreeTimestamp),
    commit: meta.ostreeCommit ?? '',
  });
  const size = (bytes: number | undefined) => (bytes === undefined ? 'none' : formatBytes(bytes));
  return {
    ...page,
    from: side(from),
    to: side(to),
    backHref: links.compare(to.buildid, from.buildid),
    packages: packagesView(pkgdiff),
    rows: [
      ...(kernel.from === undefined && kernel.to === undefined
        ? []
        : [{ name: 'Kernel', from: kernel.from ?? 'none', to: kernel.to ?? 'none' }]),
      ...Object.entries(images).map(([type, one]) => ({
        name: `Image ${type}`,
        from: size(one.from),
        to: size(one.to),
      })),
    ],
    files: files ? `${files.added} added, ${files.removed} removed, ${files.changed} changed` : '',
    update: update ? `${update.objects} objects, ${formatBytes(update.bytes)}` : '',
  };
}
