import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ErrorCode, NightlyError } from '../base/errors.ts';
import { sha256 } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { type BuildSurvey, insistOnWhole, type StoredBuild, surveyBuilds } from '../build/build-store.ts';
import { lastRelease } from '../build/promotions.ts';
import type { UpstreamRecord } from '../build/upstream-record.ts';
import type { Config, UpstreamSource } from '../config/config.ts';
import { isWhole } from '../ostree/local-repo.ts';
import { packagesIn, RPMDB_FOLDERS } from '../ostree/package-files.ts';
import { readPublished, seedFrom } from '../ostree/seed-repo.ts';
import { FEATURE_PATHS } from '../ostree/tree-features.ts';
import type { PackageId } from '../rpm/lockfile.ts';
import { parsePackageList } from '../rpm/package-list.ts';
import { packagesOf } from './diff-builds.ts';

/** A commit of a local repository, which may be there in part: with the paths that a comparison reads. */
export interface ReadableTree {
  readonly repo: string;
  readonly checksum: string;
}

/** What a build is compared with, and what exactly that was read from. */
export interface Upstream {
  readonly packages: readonly PackageId[];
  readonly source: UpstreamRecord['source'];
  /** Undefined: there is a list of packages and no tree, or the tree is not here any more. */
  readonly tree?: ReadableTree;
}

/**
 * Reads upstream as it is now.
 * @param dir an empty folder
 * @throws NightlyError `repo-unreachable` when nothing answers, `unsupported` when it cannot be read otherwise, or has no signature by a key that was given
 */
export async function readUpstream(
  config: Config,
  source: UpstreamSource,
  { arch, dir }: { readonly arch: string; readonly dir: string },
  task: Task,
): Promise<Upstream> {
  switch (source.kind) {
    case 'ref':
      return readRef({ ...source, ref: source.ref.replaceAll('${basearch}', arch) }, dir, task);
    case 'packages': {
      const content = await fetched(source.url, task);
      const text = new TextDecoder().decode(content);
      return { packages: parsePackageList(text, source.url), source: { ...source, sha256: sha256(content) } };
    }
    case 'stream': {
      const found = newestGood(await surveyBuilds(config.work), source.stream);
      const tree = treeOf(config, found);
      const packages = await packagesOf(join(config.work, 'repo'), found);
      return { packages, source: { ...source, build: found.meta.buildid }, ...(tree && { tree }) };
    }
  }
}

/** Returns the tree of a build, where it is here as a whole. */
export function treeOf({ work }: Pick<Config, 'work'>, { meta }: Pick<StoredBuild, 'meta'>): ReadableTree | undefined {
  const [repo, checksum] = [join(work, 'repo'), meta.ostreeCommit];
  return checksum !== undefined && isWhole({ path: repo }, checksum) ? { repo, checksum } : undefined;
}

/** Pulls the commit, and of its content what says which packages, units and users it has. */
async function readRef(
  { gpgKeys, ...source }: Extract<UpstreamSource, { kind: 'ref' }>,
  dir: string,
  task: Task,
): Promise<Upstream> {
  const [repo, url, { ref }] = [join(dir, 'repo'), source.repo, source];
  for (const key of gpgKeys) if (!existsSync(key)) throw unreadable(key, 'there is no such key');
  // A signature says nothing of the ref that leads to the commit; without one the binding proves nothing either.
  const anyBinding = gpgKeys.length === 0;
  const request = { repo, url, ref, gpgKeys, anyBinding, paths: [...RPMDB_FOLDERS, ...FEATURE_PATHS] };
  const commit = await seedFrom(request, task).catch((error: unknown) => {
    if (!(error instanceof NightlyError) || error.code !== 'seed') throw error;
    // What has a cause was said by a server, or by ostree of what it sent.
    throw unknownBecause(error.message, error, error.cause === undefined ? 'unsupported' : 'repo-unreachable');
  });
  if (commit === undefined) throw unreadable(`${url}/refs/heads/${ref}`, 'there is no such file');
  const tree = { repo, checksum: commit.checksum };
  const packages =
    commit.packages ??
    (await packagesIn(tree, join(dir, 'rpmdb'), task).catch((error: unknown) => {
      task.signal.throwIfAborted();
      const why = 'it does not list its packages (rpmostree.rpmdb.pkglist), and its tree has no rpm database';
      throw unreadable(`commit ${commit.checksum} of ${url}`, `${why} that can be read`, error);
    }));
  return { packages, source: { ...source, commit: commit.checksum }, tree };
}

async function fetched(url: string, task: Task): Promise<Uint8Array> {
  const content = await readPublished(url, task.signal).catch((error: unknown) => {
    task.signal.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
    const why = error instanceof Error ? error.message : String(error);
    throw unknownBecause(`${url}: ${why}${cause}.`, error, 'repo-unreachable');
  });
  if (content === undefined) throw unreadable(url, 'there is no such file');
  return content;
}

const unreadable = (what: string, why: string, cause?: unknown): NightlyError =>
  unknownBecause(`${what}: ${why}.`, cause);

/** @param code `repo-unreachable` where nothing was got at all: that is no fault of the configuration */
function unknownBecause(why: string, cause: unknown, code: ErrorCode = 'unsupported'): NightlyError {
  return new NightlyError(code, `How far it is from upstream is not known: ${why}`, {
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
