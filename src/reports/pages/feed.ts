import type { BuildMeta } from '../../build/build-record.ts';
import { changesText } from './build-row.ts';
import { createLinks, encodePath } from './links.ts';
import { render } from './render-page.ts';
import { timeView } from './time-view.ts';

/** How many builds a feed names. */
export const FEED_BUILDS = 60;

/**
 * Returns the builds that were published, and the releases, as an Atom feed (RFC 4287).
 * @param url where the feed's folder is read, without a trailing slash: names it and its entries for good
 * @param builds newest first
 */
export function feed(
  product: string,
  { url, builds, live }: { readonly url: string; readonly builds: readonly BuildMeta[]; readonly live: boolean },
): string {
  const links = createLinks(0, live);
  const entries = builds
    .filter((meta) => meta.ostreeCommit !== undefined)
    .slice(0, FEED_BUILDS)
    .flatMap((meta) => {
      const arch = meta.basearch;
      const stream = meta.stream;
      const folder = `${url}/builds/${encodePath(`${meta.buildid}/${arch}`)}`;
      const entry = { href: links.build(meta.buildid, arch), summary: changesText(meta), category: stream };
      const retracted = meta.retracted;
      const built = {
        ...entry,
        id: `${folder}/`,
        title: `${stream} ${meta.buildid}${retracted ? ' retracted' : ''}`,
        ...(retracted ? { summary: `Retracted: ${retracted.reason}` } : {}),
        updated: retracted?.at ?? meta.ostreeTimestamp,
      };
      const release = meta.release;
      if (!release) return [built];
      const withdrawn = release.withdrawn ? `Withdrawn: ${release.withdrawn.reason}` : entry.summary;
      const released = {
        ...entry,
        id: `${folder}/release/`,
        title: `${product} ${meta.buildid} ${release.withdrawn ? 'withdrawn' : 'released'}`,
        updated: release.withdrawn?.at ?? release.at,
        summary: withdrawn,
      };
      return [released, built];
    })
    .map((entry) => ({ ...entry, updated: timeView(entry.updated).iso }))
    .sort((a, b) => (a.updated < b.updated ? 1 : -1));
  const updated = entries[0]?.updated ?? '1970-01-01T00:00:00Z';
  return render('feed.atom', { product, url, updated, entries, home: links.index });
}
