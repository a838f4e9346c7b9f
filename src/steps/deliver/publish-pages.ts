import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { sha256 } from '../../base/files.ts';
import { SHIPPED } from '../../base/shipped.ts';
import type { Task } from '../../base/task.ts';
import { VERSION } from '../../base/version.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { buildPaths } from '../../build/build-store.ts';
import { testsOrNone } from '../../build/tests-record.ts';
import type { Config } from '../../config/config.ts';
import { swapWithRetry } from '../../publish/swap-with-retry.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import type { LogEntry } from '../../published/log-entry.ts';
import { keyPath, VERIFIER_PATH } from '../../published/paths.ts';
import { SEARCH_INDEX_PATH } from '../../published/search-index.ts';
import { readTargetRecord } from '../../published/target-record.ts';
import { brandOf, type Logo, readLogo } from '../../reports/pages/brand.ts';
import { FEED_BUILDS } from '../../reports/pages/feed.ts';
import { buildPagePath } from '../../reports/pages/static-paths.ts';
import { type Project, streamSigners } from '../../run/project.ts';
import { contentEquals } from '../../targets/expect.ts';
import type { SmallFile, SwapRequest, Target } from '../../targets/target.ts';
import { keyEntry } from '../log/key-entry.ts';
import { logBefore } from '../log/log-before.ts';
import { type Files, type Material, makePages, pageAssets } from './make-pages.ts';
import { type NamedBuild, namedBuilds, readPublishedRecords } from './published-records.ts';
import { recordTrust } from './record-trust.ts';
import { searchIndex } from './search-index.ts';

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
  const keys = new Map(key === undefined ? [] : [[keyPath(stream.name), key] as const]);
  await swapWithRetry(
    async (): Promise<SwapRequest | undefined> => {
      const [content, front, oldFeed, there] = await target.readMany(
        [INDEX_PATH, 'index.html', 'feed.atom', SEARCH_INDEX_PATH],
        task,
      );
      if (!content) return undefined;
      const named = namedBuilds(readTargetRecord(content, BUILD_INDEX, INDEX_PATH, target));
      const { looked, metas, read } = await readForPages(named, again, { target, trust }, task);
      const isOurs = front === undefined || text(front).includes('<meta name="generator" content="atomic-nightly">');
      if (!isOurs) task.say(`index.html on ${target.name} was not made by atomic-nightly and is left alone`);
      // The feed was put after the pages of the builds that it names.
      const inFeed = text(oldFeed);
      const lacking = read.filter(
        ({ buildid, basearch: arch }) =>
          again.includes(buildid) || !inFeed.includes(`"./${buildPagePath(buildid, arch)}"`),
      );
      const known = new Set([...keys.keys(), ...(await keysThere(config, target, task))]);
      const search = await searchIndex({ target, trust, named, looked, metas: read, there }, task);
      const files = new Map([
        ...pageAssets(),
        ...(logo ? [[`assets/${logo.name}`, logo.content] as const] : []),
        ...keys,
        ...(await verifier(config)),
        [SEARCH_INDEX_PATH, search] as const,
        ...makePages(config, target, {
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
      await logTools(project, changed, target, task);
      task.say(`${changed.length} pages and their files to ${target.describe()}`);
      // Made for this index: should another publisher change it meanwhile, they are made anew.
      return { expect: [{ path: INDEX_PATH, content }], put: changed };
    },
    target,
    task,
  );
}

/**
 * Reads the records that pages are made from: `metas`, those of the newest builds, and with them in `read` those of older
 * ones whose page is made again. `looked` names all of these, also those without a record.
 */
async function readForPages(
  named: readonly NamedBuild[],
  again: readonly string[],
  from: Parameters<typeof readPublishedRecords>[1],
  task: Task,
) {
  const newest = named.slice(0, FEED_BUILDS);
  const older = named.slice(FEED_BUILDS).filter(({ id }) => again.includes(id));
  const metas = await readPublishedRecords(newest, from, task);
  const changedLater = await readPublishedRecords(older, from, task);
  return { looked: [...newest, ...older], metas, read: [...metas, ...changedLater] };
}

/** Logs what verifies downloads before it is put: the key of the stream and the script (I17). */
async function logTools(
  { config, stream }: Project,
  changed: readonly SmallFile[],
  target: Target,
  task: Task,
): Promise<void> {
  if (!config.log) return;
  const first = await streamSigners(config, stream)[0]?.publicKey(task);
  const entries: LogEntry[] = [];
  for (const { path, content } of changed) {
    if (path === keyPath(stream.name)) entries.push(await keyEntry(stream.name, content, first ?? content));
    else if (path === VERIFIER_PATH) entries.push(verifierEntry(content));
  }
  if (entries.length > 0) await logBefore(config, entries, target, task);
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

/** Puts the script on a target that has had no pages since the log began. @throws as `publishPages` */
export async function publishVerifier(config: Config, target: Target, task: Task): Promise<void> {
  const content = await readVerifier();
  await logBefore(config, [verifierEntry(content)], target, task);
  await swapWithRetry(async () => ({ expect: [], put: [{ path: VERIFIER_PATH, content }] }), target, task);
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

async function keysThere(config: Config, target: Target, task: Task): Promise<string[]> {
  const paths = Object.keys(config.streams).map(keyPath);
  const contents = await target.readMany(paths, task);
  return paths.filter((_, at) => contents[at] !== undefined);
}

async function testsOf({ work }: Config, metas: readonly BuildMeta[]): Promise<Material['tests']> {
  const found = await Promise.all(
    metas.map(async (meta) => [meta, await testsOrNone(buildPaths(work, meta.buildid, meta.basearch))] as const),
  );
  return new Map(found.flatMap(([meta, tests]) => (tests ? [[meta, tests] as const] : [])));
}

/** So that a repeated step, and what seldom changes, costs no more than a look. */
async function onlyChanged(files: Files, target: Target, task: Task): Promise<SmallFile[]> {
  const paths = [...files.keys()];
  const there = await target.readMany(paths, task);
  return [...files].flatMap(([path, content], at) => (contentEquals(there[at], content) ? [] : [{ path, content }]));
}
