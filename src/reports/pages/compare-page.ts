import type { BuildMeta } from '../../build/build-record.ts';
import { type Difference, differenceView } from './difference-view.ts';
import { pageView } from './page.ts';
import { packagesView } from './page-packages.ts';
import { timeView } from './time-view.ts';

/** Two builds beside each other: the values of the template `compare`. */
export function comparePage(from: BuildMeta, to: BuildMeta, difference: Difference, live: boolean) {
  const page = pageView(to.name, `${from.buildid} to ${to.buildid}`, { depth: 3, live });
  const { links } = page;
  const { pkgdiff, kernel } = difference;
  const { kernelRow, imageRows, ...texts } = differenceView(difference);
  const side = (meta: BuildMeta) => ({
    id: meta.buildid,
    href: links.build(meta.buildid, meta.basearch),
    stream: meta.stream,
    time: timeView(meta.ostreeTimestamp),
    commit: meta.ostreeCommit ?? '',
  });
  return {
    ...page,
    from: side(from),
    to: side(to),
    backHref: links.compare(to.buildid, from.buildid),
    packages: packagesView(pkgdiff),
    rows: [...(kernel.from === undefined && kernel.to === undefined ? [] : [kernelRow]), ...imageRows],
    ...texts,
  };
}
