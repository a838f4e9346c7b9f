import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { sha256 } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { type BuildSurvey, insistOnWhole, type StoredBuild, surveyBuilds } from '../build/build-store.ts';
import { lastRelease } from '../build/promotions.ts';
import type { UpstreamRecord } from '../build/upstream-record.ts';
import type { Config, UpstreamConfig, UpstreamSource } from '../config/config.ts';
import { checkedObject, isChecksum, objectPath, parseCommit } from '../ostree/objects.ts';
import { readPublished } from '../ostree/seed-repo.ts';
import type { PackageId } from '../rpm/lockfile.ts';
import { parsePackageList } from '../rpm/package-list.ts';
import { upstreamDistance } from '../rpm/upstream-distance.ts';
import { packagesOf } from './diff-builds.ts';

/** Packages of upstream, and what exactly they were read from. */
interface UpstreamPackages {
  readonly packages: readonly PackageId[];
  readonly source: UpstreamRecord['source'];
}

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
  { paths, meta }: StoredBuild,
  { source, ignore }: UpstreamConfig,
  task: Task,
): Promise<UpstreamRecord> {
  const repo = join(config.work, 'repo');
  const ours = await packagesOf(repo, { paths, meta });
  const upstream = await readUpstream(config, source, meta.basearch, task);
  const distance = upstreamDistance(ours, upstream.packages, ignore);
  const release = meta.promotion?.upstream;
  return {
    ...{ version: 1, build: meta.buildid, at: new Date().toISOString() },
    ...(release === undefined ? {} : { release }),
    source: upstream.source,
    ...distance,
    ...{ missing: [...distance.missing], older: [...distance.older] },
    ...{ newer: [...distance.newer], extra: [...distance.extra] },
  };
}

async function readUpstream(
  config: Config,
  source: UpstreamSource,
  arch: string,
  task: Task,
): Promise<UpstreamPackages> {
  switch (source.kind) {
    case 'ref':
      return readCommitPackages({ ...source, ref: source.ref.replaceAll('${basearch}', arch) }, task);
    case 'packages': {
      const content = await fetched(source.url, task);
      const text = new TextDecoder().decode(content);
      return { packages: parsePackageList(text, source.url), source: { ...source, sha256: sha256(content) } };
    }
    case 'stream': {
      const found = newestGood(await surveyBuilds(config.work), source.stream);
      const packages = await packagesOf(join(config.work, 'repo'), found);
      return { packages, source: { ...source, build: found.meta.buildid } };
    }
  }
}

/** Reads the commit alone: its metadata lists the packages, and nothing else of the tree is fetched. */
async function readCommitPackages(
  source: Extract<UpstreamSource, { kind: 'ref' }>,
  task: Task,
): Promise<UpstreamPackages> {
  const { repo, ref } = source;
  const commit = new TextDecoder().decode(await fetched(`${repo}/refs/heads/${ref}`, task)).trim();
  if (!isChecksum(commit)) throw unreadable(`${repo}/refs/heads/${ref}`, 'it does not hold a commit');
  const object = checkedObject(await fetched(`${repo}/${objectPath(commit, 'commit')}`, task), commit, 'commit', repo);
  const { packages } = parseCommit(commit, object);
  if (packages === undefined) {
    throw unreadable(`commit ${commit} of ${repo}`, 'it does not list its packages (rpmostree.rpmdb.pkglist)');
  }
  return { packages, source: { ...source, commit } };
}

async function fetched(url: string, task: Task): Promise<Uint8Array> {
  const content = await readPublished(url, task.signal).catch((error: unknown) => {
    task.signal.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
    throw unreadable(url, `${error instanceof Error ? error.message : String(error)}${cause}`, error);
  });
  if (content === undefined) throw unreadable(url, 'there is no such file');
  return content;
}

function unreadable(what: string, why: string, cause?: unknown): NightlyError {
  return new NightlyError('unsupported', `How far it is from upstream is not known: ${what}: ${why}.`, {
    hint: 'Correct cycle.upstream, or wait until it can be read.',
    cause,
  });
}

/** The last release of a stream that was not withdrawn, else its newest complete build. */
function newestGood(survey: BuildSurvey, stream: string): StoredBuild {
  const found =
    lastRelease(survey.builds, stream) ??
    survey.builds.find(({ meta }) => meta.stream === stream && meta.state === 'complete' && !meta.retracted);
  insistOnWhole(survey, found?.meta.buildid);
  if (found) return found;
  throw new NightlyError(
    'not-found',
    `Stream "${stream}" has neither a release nor a complete build to compare with.`,
    {
      hint: `Run "atomic-nightly nightly ${stream}" first.`,
    },
  );
}
