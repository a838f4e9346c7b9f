import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder, withTemporaryFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import type { StoredBuild } from '../build/build-store.ts';
import type { UpstreamRecord } from '../build/upstream-record.ts';
import type { Config, UpstreamConfig } from '../config/config.ts';
import { packagesIn } from '../ostree/package-files.ts';
import { type TreeFeatures, treeFeatures } from '../ostree/tree-features.ts';
import type { RpmHeader } from '../programs/rpm-installed.ts';
import type { PackageId } from '../rpm/lockfile.ts';
import { bySource } from '../rpm/source-distance.ts';
import { type UpstreamDistance, upstreamDistance } from '../rpm/upstream-distance.ts';
import { packagesOf } from './diff-builds.ts';
import { type ReadableTree, readUpstream, treeOf } from './read-upstream.ts';

/** A build whose packages are known; one that is not composed yet has no tree. */
export type ComparedBuild = Pick<UpstreamRecord, 'build' | 'release'> & {
  readonly basearch: string;
  readonly packages: readonly PackageId[];
  readonly tree?: ReadableTree | undefined;
};

/** Returns what the builds of a stream, or of the release streams it feeds, are compared with; undefined: nothing is configured. */
export function upstreamFor({ streams }: Pick<Config, 'streams'>, stream: string): UpstreamConfig | undefined {
  const own = Object.values(streams).filter(({ name, release }) => name === stream || release?.promotesFrom === stream);
  return own.map(({ release }) => release?.cycle?.upstream?.compared).find((one) => one !== undefined);
}

/**
 * Compares a build with upstream as it is now.
 * @throws NightlyError `unsupported` when upstream cannot be read, `not-found` for a build without packages
 */
export async function compareUpstream(
  config: Config,
  stored: StoredBuild,
  upstream: UpstreamConfig,
  task: Task,
): Promise<UpstreamRecord> {
  const { buildid: build, basearch, promotion } = stored.meta;
  const packages = await packagesOf(join(config.work, 'repo'), stored);
  const release = promotion?.upstream;
  const compared = { build, basearch, packages, tree: treeOf(config, stored) };
  return comparePackages(config, { ...compared, ...(release !== undefined && { release }) }, upstream, task);
}

/** Compares what a build is, or is to be made of, with upstream as it is now. @throws NightlyError `unsupported` when that cannot be read */
export async function comparePackages(
  config: Config,
  ours: ComparedBuild,
  { source, ignore }: UpstreamConfig,
  task: Task,
): Promise<UpstreamRecord> {
  return withTemporaryFolder(async (dir) => {
    const upstream = await readUpstream(config, source, { arch: ours.basearch, dir }, task);
    const mine = await readTree(ours.tree, join(dir, 'ours'), task);
    const theirs = await readTree(upstream.tree, join(dir, 'theirs'), task);
    // A tree that others made may say of its packages nothing but what its rpm database says.
    const own = ours.packages.length > 0 ? ours.packages : (mine.headers ?? []);
    const other = upstream.packages.length > 0 ? upstream.packages : (theirs.headers ?? []);
    const distance = upstreamDistance(own, other, ignore);
    return {
      ...{ version: 2, build: ours.build, at: new Date().toISOString() },
      ...(ours.release !== undefined && { release: ours.release }),
      source: upstream.source,
      ...distance,
      ...listsOf(distance),
      ...((mine.headers || theirs.headers) && { sources: sourcesOf(distance, mine, theirs) }),
      ...(mine.features && theirs.features && features(mine.features, theirs.features)),
      unknown: [
        ...unknownOf('upstream', theirs, upstream.tree ? undefined : whyNoTree(upstream.source)),
        ...unknownOf('this build', mine, ours.tree ? undefined : 'its tree is not composed, or not here any more'),
      ],
    };
  });
}

/** What was found in a tree; undefined where it could not be. */
interface FoundInTree {
  readonly headers?: readonly RpmHeader[] | undefined;
  readonly features?: TreeFeatures | undefined;
}

async function readTree(tree: ReadableTree | undefined, dir: string, task: Task): Promise<FoundInTree> {
  if (!tree) return {};
  await makeFolder(dir);
  return {
    headers: await ifReadable(() => packagesIn(tree, join(dir, 'rpmdb'), task), task),
    features: await ifReadable(() => treeFeatures(tree, dir, task), task),
  };
}

/** What a tree does not have, or an rpm of another age cannot be read by the one here, stops no comparison of packages. */
async function ifReadable<Value>(read: () => Promise<Value>, task: Task): Promise<Value | undefined> {
  try {
    return await read();
  } catch (error) {
    task.signal.throwIfAborted();
    if (!(error instanceof NightlyError)) throw error;
    task.say(`not compared: ${error.message}`);
    return undefined;
  }
}

function sourcesOf(distance: UpstreamDistance, mine: FoundInTree, theirs: FoundInTree) {
  return bySource(distance, mine.headers ?? [], theirs.headers ?? []).map((one) => ({ ...one, ...listsOf(one) }));
}

/** The lists of a difference, for a record. */
function listsOf<Other>({
  missing,
  older,
  newer,
  extra,
}: Record<'missing' | 'extra', readonly string[]> & Record<'older' | 'newer', readonly Other[]>) {
  return { missing: [...missing], older: [...older], newer: [...newer], extra: [...extra] };
}

const whyNoTree = ({ kind }: UpstreamRecord['source']): string =>
  kind === 'packages' ? 'a list of packages does not say it' : 'its tree is not here any more';

function features(mine: TreeFeatures, theirs: TreeFeatures): Pick<UpstreamRecord, 'units' | 'users'> {
  const only = (ours: readonly string[], upstream: readonly string[]) => ({
    missing: upstream.filter((name) => !ours.includes(name)),
    extra: ours.filter((name) => !upstream.includes(name)),
  });
  return { units: only(mine.units, theirs.units), users: only(mine.users, theirs.users) };
}

/** What cannot be said of a side, and why. @param why a side has no tree to read */
function unknownOf(side: string, { headers, features }: FoundInTree, why: string | undefined): string[] {
  return [
    ...(headers ? [] : [`source packages of ${side}: ${why ?? 'its tree has no rpm database that can be read'}`]),
    ...(features ? [] : [`enabled units and users of ${side}: ${why ?? 'its tree cannot be read'}`]),
  ];
}
