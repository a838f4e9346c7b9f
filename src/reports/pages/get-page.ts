import { basename } from 'node:path';
import type { BuildMeta } from '../../build/build-record.ts';
import { lastRelease } from '../../build/promotions.ts';
import type { Brand } from './brand.ts';
import { changesText } from './build-row.ts';
import { encodePath, type Links } from './links.ts';
import { pageView } from './page.ts';
import { imageViews } from './page-images.ts';
import { timeView } from './time-view.ts';

/** A stream as its users see it. */
export interface OfferedStream {
  readonly name: string;
  readonly isRelease: boolean;
  readonly ref: string;
  /** What hosts configure. */
  readonly remote: { readonly name: string; readonly url: string };
  /** URL of the top of the target that has its images and records. */
  readonly url: string;
  /** URL of the public key; empty where the stream does not sign. */
  readonly keyUrl: string;
  /** The ref that only builds get whose images booted; empty where none is moved. */
  readonly testedRef: string;
  readonly isTested: (meta: BuildMeta) => boolean;
  /** Published builds, newest first. */
  readonly builds: readonly BuildMeta[];
}

/** Returns how to get and verify what there is: the values of the template `get`. Releases come first. */
export function getPage({ name: product, about, logo }: Brand, streams: readonly OfferedStream[], live: boolean) {
  const page = pageView(product, `Get ${product}`, { depth: 1, live });
  const offers = streams
    .toSorted((a, b) => Number(b.isRelease) - Number(a.isRelease))
    .map((stream) => offer(stream, page.links));
  // Whoever only reads needs none; commands can be copied with it.
  return { ...page, scripts: live ? page.scripts : ['copy.js'], about, logo, streams: offers };
}

function offer(
  { name, isRelease, ref, remote, url, keyUrl, builds, testedRef, isTested }: OfferedStream,
  links: Links,
) {
  const good = ({ ostreeCommit: commit, state, ...rest }: BuildMeta) =>
    commit !== undefined && state === 'complete' && rest.retracted === undefined;
  const newest = builds.find(good);
  const tested = testedRef === '' ? undefined : builds.find((meta) => good(meta) && isTested(meta));
  const latest = isRelease
    ? lastRelease(
        builds.map((meta) => ({ meta })),
        name,
      )?.meta
    : (tested ?? newest);
  // A night whose images failed has none: those of the one before are still good.
  const hasImages = ({ images = {} }: BuildMeta): boolean => Object.keys(images).length > 0;
  const pictured = isRelease ? latest : (tested ?? builds.find((meta) => good(meta) && hasImages(meta)));
  const folderOf = (meta: BuildMeta) => `${url}/builds/${encodePath(`${meta.buildid}/${meta.basearch}`)}`;
  const link = (meta: BuildMeta) => ({
    id: meta.buildid,
    href: links.build(meta.buildid, meta.basearch),
    time: timeView(isRelease ? (meta.release?.at ?? '') : meta.ostreeTimestamp),
  });
  const keyFile = basename(keyUrl);
  return {
    name,
    isRelease,
    isTested: !isRelease && tested !== undefined,
    newer: !isRelease && newest && newest !== latest ? link(newest) : false,
    ref: !isRelease && tested ? testedRef : ref,
    remote,
    keyUrl,
    keyFile,
    latest: latest
      ? {
          ...link(latest),
          commit: latest.ostreeCommit ?? '',
          changes: changesText(latest),
          fingerprints: latest.signedBy ?? [],
          arch: latest.basearch,
        }
      : false,
    pictured: pictured
      ? {
          ...link(pictured),
          folder: folderOf(pictured),
          isLatest: pictured === latest,
          images: imageViews(pictured, (path) => `${folderOf(pictured)}/${encodePath(path)}`),
        }
      : false,
  };
}
