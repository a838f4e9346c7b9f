import { wasTested } from '../../build/about-build.ts';
import { buildList } from '../../build/build-list.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { TestsRecord } from '../../build/tests-record.ts';
import type { Config, StreamConfig } from '../../config/config.ts';
import { keyPath } from '../../published/paths.ts';
import { badge, badgePath } from '../../reports/pages/badge.ts';
import type { Brand } from '../../reports/pages/brand.ts';
import { buildPage } from '../../reports/pages/build-page.ts';
import { feed } from '../../reports/pages/feed.ts';
import { getPage, type OfferedStream } from '../../reports/pages/get-page.ts';
import { type ListedStream, overviewPage } from '../../reports/pages/overview.ts';
import { ASSETS, readAsset, render } from '../../reports/pages/render-page.ts';
import { publishedSearchPage } from '../../reports/pages/search-page.ts';
import { buildPagePath, reviewPagePath, SEARCH_PAGE } from '../../reports/pages/static-paths.ts';
import { testedRefOf } from '../../run/streams-on.ts';
import type { Target } from '../../targets/target.ts';

/** What none of the pages for reading needs: there is nothing to follow on a file server. */
const ONLY_LIVE = ['live.js'];

/** Contents by path. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** What pages are made from. */
export interface Material {
  /** Newest first. */
  readonly metas: readonly BuildMeta[];
  /** The builds among them whose page is to be made. */
  readonly lacking: readonly BuildMeta[];
  /** Paths of the public keys that are there. */
  readonly keys: ReadonlySet<string>;
  readonly brand: Brand;
  readonly reviews: ReadonlyMap<string, string>;
  /** Results of the builds that were tested on this machine, by record. */
  readonly tests: ReadonlyMap<BuildMeta, TestsRecord>;
}

/** Returns the pages of a target by path, the index last: it leads to the others. */
export function makePages(
  config: Config,
  target: Target,
  { metas, lacking, keys, brand, reviews, tests }: Material,
): Files {
  const streams = Object.values(config.streams).filter(({ name }) => metas.some((meta) => meta.stream === name));
  const builds = buildList(metas.map((meta) => ({ meta, state: meta.state, entries: [] })));
  const product = brand.name;
  const { imagesSeconds } = config.targets[target.name]?.retention ?? {};
  const views = lacking.flatMap((meta): [string, string][] => {
    const { buildid, basearch: arch, state } = meta;
    const review = reviews.get(buildid);
    const reviewed = review !== undefined;
    const ownTests = tests.get(meta);
    const request = { meta, state, ownTests, others: metas, live: false, published: true, imagesSeconds, reviewed };
    const page: [string, string] = [buildPagePath(buildid, arch), render('build', buildPage(request))];
    return review === undefined ? [page] : [[reviewPagePath(buildid, arch), review], page];
  });
  const offers = streams.map((stream) => offer(config, stream, target, { metas, keys }));
  views.push(['get/index.html', render('get', getPage(brand, offers, false))]);
  views.push(['feed.atom', feed(product, { url: target.publicUrl, builds: metas, live: false })]);
  views.push([SEARCH_PAGE, render('published-search', publishedSearchPage(product))]);
  for (const { name } of streams) {
    views.push([badgePath(name), badge(name, builds.of(name))]);
  }
  const charted = new Map(streams.map(({ name }) => [name, builds.of(name).toReversed()]));
  const overview = overviewPage({
    product,
    about: brand.about,
    live: false,
    streams: streams.map(listedStream),
    builds,
    shown: builds.all,
    charted,
    older: '',
  });
  views.push(['index.html', render('overview', overview)]);
  return new Map(views.map(([path, page]) => [path, Buffer.from(page)]));
}

/** Names no other stream: that one may not be public. */
function listedStream({ name, release }: StreamConfig): ListedStream {
  return { name, kind: release ? 'releases' : 'nightly builds', cycle: '' };
}

function offer(
  config: Config,
  stream: StreamConfig,
  target: Target,
  { metas, keys }: Pick<Material, 'metas' | 'keys'>,
): OfferedStream {
  const builds = metas.filter((meta) => meta.stream === stream.name);
  const { to } = stream.release ?? {};
  // Where images are without a tree, hosts follow the first of those that have it.
  const trees = to?.images.includes(target.name) ? to.tree : stream.targets;
  const treeUrl = trees.includes(target.name)
    ? target.publicUrl
    : (config.targets[trees[0] ?? '']?.url ?? target.publicUrl);
  return {
    name: stream.name,
    isRelease: stream.release !== undefined,
    ref: builds[0]?.ref ?? '',
    remote: { name: stream.remote.name, url: `${treeUrl}/repo` },
    url: target.publicUrl,
    testedRef: builds[0] ? (testedRefOf(stream, builds[0].ref) ?? '') : '',
    isTested: (meta) => wasTested(stream, meta),
    keyUrl: keys.has(keyPath(stream.name)) ? `${target.publicUrl}/${keyPath(stream.name)}` : '',
    builds,
  };
}

/** Returns what published pages refer to. */
export function pageAssets(): Files {
  const names = Object.keys(ASSETS).filter((name) => !ONLY_LIVE.includes(name));
  return new Map(names.map((name) => [`assets/${name}`, readAsset(name) ?? Buffer.alloc(0)]));
}
