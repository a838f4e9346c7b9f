import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { sha256 } from '../../base/files.ts';
import { SHIPPED } from '../../base/shipped.ts';
import type { Task } from '../../base/task.ts';
import { VERSION } from '../../base/version.ts';
import { wasTested } from '../../build/about-build.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { readBuildMeta } from '../../build/build-record-format.ts';
import { buildPaths } from '../../build/build-store.ts';
import { type TestsRecord, testsOrNone } from '../../build/tests-record.ts';
import type { Config, StreamConfig } from '../../config/config.ts';
import { swapWithRetry } from '../../publish/swap-with-retry.ts';
import { BUILD_INDEX, type BuildIndex, INDEX_PATH } from '../../published/build-index.ts';
import type { LogEntry } from '../../published/log-entry.ts';
import { keyPath, recordPath, signatureName, VERIFIER_PATH } from '../../published/paths.ts';
import { NOT_SIGNED, type RecordTrust } from '../../published/record-trust.ts';
import { placeOn, readTargetRecord } from '../../published/target-record.ts';
import { badge, badgePath } from '../../reports/pages/badge.ts';
import { type Brand, brandOf, type Logo, readLogo } from '../../reports/pages/brand.ts';
import { buildPage } from '../../reports/pages/build-page.ts';
import { FEED_BUILDS, feed } from '../../reports/pages/feed.ts';
import { getPage, type OfferedStream } from '../../reports/pages/get-page.ts';
import { type ListedStream, overviewPage } from '../../reports/pages/overview.ts';
import { ASSETS, readAsset, render } from '../../reports/pages/render-page.ts';
import { buildPagePath, reviewPagePath } from '../../reports/pages/static-paths.ts';
import { type Project, streamSigners } from '../../run/project.ts';
import { testedRefOf } from '../../run/streams-on.ts';
import { contentEquals } from '../../targets/expect.ts';
import type { SwapRequest, Target } from '../../targets/target.ts';
import { keyEntry } from '../log/key-entry.ts';
import { logBefore } from '../log/log-before.ts';
import { recordTrust } from './record-trust.ts';

/** What none of the pages for reading needs: there is nothing to follow on a file server. */
const ONLY_LIVE = ['live.js'];

type Files = ReadonlyMap<string, Uint8Array>;

/** Which pages of builds are wanted. */
interface AskedPages {
  /** Ids of builds whose page is made again. */
  readonly again: readonly string[];
  /** Pages of candidates for those who approve them, by build id. */
  readonly reviews: ReadonlyMap<string, string>;
}

/**
 * Puts the pages for people on a target: index.html, get/, feed.atom, the page of each build that has none yet or is named
 * in `again`, and what they refer to. They are made from the target's own index and records, so they tell nothing that is
 * not public there, and every publisher makes the same ones. Nothing of it is signed: what is downloaded is verified by
 * the records. An index.html that somebody else wrote stays.
 * @throws NightlyError `locked`, `target-moved`, `target-unreachable`, `unsupported` (a record there is not JSON).
 */
export async function publishPages(
  project: Project,
  { again, reviews }: AskedPages,
  target: Target,
  task: Task,
): Promise<void> {
  const { config, stream, signer } = project;
  const logo = await logoOrNone(config, task);
  const brand = logo ? brandOf(config) : { ...brandOf(config), logo: '' };
  const trust = recordTrust(config, target.name, task);
  const key = signer && (await signer.publicKey(task));
  const first = await streamSigners(config, stream)[0]?.publicKey(task);
  await swapWithRetry(
    async (): Promise<SwapRequest | undefined> => {
      const [content, front, oldFeed] = await target.readMany([INDEX_PATH, 'index.html', 'feed.atom'], task);
      if (!content) return undefined;
      const metas = await readMetas(
        readTargetRecord(content, BUILD_INDEX, INDEX_PATH, target),
        { target, trust },
        task,
      );
      const isOurs = front === undefined || text(front).includes('<meta name="generator" content="atomic-nightly">');
      if (!isOurs) task.say(`index.html on ${target.name} was not made by atomic-nightly and is left alone`);
      const keys = new Map(key === undefined ? [] : [[keyPath(stream.name), key] as const]);
      // The feed was put after the pages of the builds that it names.
      const named = text(oldFeed);
      const lacking = metas.filter(
        ({ buildid, basearch: arch }) =>
          again.includes(buildid) || !named.includes(`"./${buildPagePath(buildid, arch)}"`),
      );
      const known = new Set([...keys.keys(), ...(await keysThere(config, target, task))]);
      const files = new Map([
        ...assets(),
        ...(logo ? [[`assets/${logo.name}`, logo.content] as const] : []),
        ...keys,
        ...(await verifier(config)),
        ...pages(config, target, {
          metas,
          lacking,
          keys: known,
          brand,
          reviews,
          tests: await testsOf(config, lacking),
        }),
      ]);
      if (!isOurs) files.delete('index.html');
      const changed = await onlyChanged(files, target, task);
      if (changed.length === 0) return undefined;
      if (config.log) {
        const entries: LogEntry[] = [];
        for (const { path, content } of changed) {
          if (keys.has(path)) entries.push(await keyEntry(stream.name, content, first ?? content));
          else if (path === VERIFIER_PATH) entries.push(verifierEntry(content));
        }
        if (entries.length > 0) await logBefore(config, entries, target, task);
      }
      task.say(`${changed.length} pages and their files to ${target.describe()}`);
      // Made for this index: should another publisher change it meanwhile, they are made anew.
      return { expect: [{ path: INDEX_PATH, content }], put: changed };
    },
    target,
    task,
  );
}

/** A picture that cannot be used is left out, and named: no build fails for it (I15). */
async function logoOrNone({ pages }: Config, task: Task): Promise<Logo | undefined> {
  try {
    return pages?.logo === undefined ? undefined : await readLogo(pages.logo);
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    task.say(error.message);
    return undefined;
  }
}

/** The script that checks downloads against the log, where one is kept. */
async function verifier({ log }: Config): Promise<[string, Uint8Array][]> {
  return log === undefined ? [] : [[VERIFIER_PATH, await readVerifier()]];
}

/** Reads the script as it is published. */
export function readVerifier(): Promise<Buffer> {
  return readFile(join(SHIPPED.verify, basename(VERIFIER_PATH)));
}

/** What the log says of that script. */
function verifierEntry(script: Uint8Array): LogEntry {
  const file = { path: VERIFIER_PATH, sha256: sha256(script), size: script.length };
  return { kind: 'tool', file, version: VERSION };
}

const text = (content: Uint8Array | undefined): string => new TextDecoder().decode(content);

/** Records of the newest builds, as the target has them; one that is damaged, or another's, is left out and named (I15). */
async function readMetas(
  index: BuildIndex,
  { target, trust }: { readonly target: Target; readonly trust: RecordTrust | undefined },
  task: Task,
): Promise<BuildMeta[]> {
  const builds = index.builds.flatMap(({ id, arches }) => arches.map((arch) => ({ id, arch }))).slice(0, FEED_BUILDS);
  const paths = builds.map(({ id, arch }) => recordPath(id, arch));
  const contents = await target.readMany([...paths, ...(trust ? paths.map(signatureName) : [])], task);
  const metas: BuildMeta[] = [];
  for (const [at, { id, arch }] of builds.entries()) {
    const [content, path = ''] = [contents[at], paths[at]];
    if (!content) continue;
    if (trust && !(await trust.believes(path, content, contents[paths.length + at]))) {
      task.say(`${placeOn(path, target)} is shown nowhere: ${NOT_SIGNED}`);
      continue;
    }
    try {
      metas.push(readBuildMeta(content, { id, arch }, placeOn(path, target)));
    } catch (error) {
      if (!(error instanceof NightlyError)) throw error;
      task.say(error.message);
    }
  }
  return metas;
}

async function keysThere(config: Config, target: Target, task: Task): Promise<string[]> {
  const paths = Object.keys(config.streams).map(keyPath);
  const contents = await target.readMany(paths, task);
  return paths.filter((_, at) => contents[at] !== undefined);
}

/** What pages are made from. */
interface Material {
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

async function testsOf({ work }: Config, metas: readonly BuildMeta[]): Promise<Material['tests']> {
  const found = await Promise.all(
    metas.map(async (meta) => [meta, await testsOrNone(buildPaths(work, meta.buildid, meta.basearch))] as const),
  );
  return new Map(found.flatMap(([meta, tests]) => (tests ? [[meta, tests] as const] : [])));
}

/** Returns the index last: it leads to the others. */
function pages(config: Config, target: Target, { metas, lacking, keys, brand, reviews, tests }: Material): Files {
  const streams = Object.values(config.streams).filter(({ name }) => metas.some((meta) => meta.stream === name));
  const builds = metas.map((meta) => ({ meta, state: meta.state, entries: [] }));
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
  for (const { name } of streams) {
    const ours = builds.filter(({ meta }) => meta.stream === name);
    views.push([badgePath(name), badge(name, ours)]);
  }
  const charted = new Map(
    streams.map(({ name }) => [name, builds.filter(({ meta }) => meta.stream === name).toReversed()]),
  );
  const overview = overviewPage({
    product,
    about: brand.about,
    live: false,
    streams: streams.map(listedStream),
    builds,
    shown: builds,
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
  const tree = trees.includes(target.name)
    ? target.publicUrl
    : (config.targets[trees[0] ?? '']?.url ?? target.publicUrl);
  return {
    name: stream.name,
    isRelease: stream.release !== undefined,
    ref: builds[0]?.ref ?? '',
    remote: { name: stream.remote.name, url: `${tree}/repo` },
    url: target.publicUrl,
    testedRef: builds[0] ? (testedRefOf(stream, builds[0].ref) ?? '') : '',
    isTested: (meta) => wasTested(stream, meta),
    keyUrl: keys.has(keyPath(stream.name)) ? `${target.publicUrl}/${keyPath(stream.name)}` : '',
    builds,
  };
}

function assets(): Files {
  const names = Object.keys(ASSETS).filter((name) => !ONLY_LIVE.includes(name));
  return new Map(names.map((name) => [`assets/${name}`, readAsset(name) ?? Buffer.alloc(0)]));
}

/** So that a repeated step, and what seldom changes, costs no more than a look. */
async function onlyChanged(files: Files, target: Target, task: Task): Promise<{ path: string; content: Uint8Array }[]> {
  const paths = [...files.keys()];
  const there = await target.readMany(paths, task);
  return [...files].flatMap(([path, content], at) => (contentEquals(there[at], content) ? [] : [{ path, content }]));
}
