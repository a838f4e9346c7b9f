import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { BuildMeta, PromotionRecord } from '../../build/build-record.ts';
import { parseNevra } from '../../rpm/evr.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import type { RemoteSwap } from '../release/own-remote.ts';
import { type BuildPlace, fetchPublishedBuild, type PublishedBuild } from './published-build.ts';

/** What a published tree is composed again from. */
export interface RecomposePlan {
  /** The build whose tree is compared. */
  readonly build: PublishedBuild;
  /** Whose lockfile, treefile and provenance make the tree: the build itself, or the nightly build whose tree it took as it is. */
  readonly source: PublishedBuild;
  /** Whose time and ids it has: a promotion has those of its nightly build. */
  readonly night: PublishedBuild;
  /** Path of the top treefile among its files. */
  readonly top: string;
  /** The tree's release package that took the place of the nightly build's. */
  readonly swap: RemoteSwap | undefined;
}

/**
 * Fetches all that a build is composed again from; that is of a promotion also its nightly build.
 * @throws what `fetchPublishedBuild` throws; NightlyError `verify` when the two do not belong together.
 */
export async function planRecompose(place: BuildPlace, nightUrl: BuildPlace, task: Task): Promise<RecomposePlan> {
  const build = await fetchPublishedBuild(place, task);
  const { promotion } = build.meta;
  const night = promotion === undefined ? build : await fetchPublishedBuild({ ...nightUrl, id: promotion.of }, task);
  if (promotion !== undefined && night.commit !== promotion.commit) {
    throw new NightlyError(
      'verify',
      `Build ${promotion.of} at ${night.url} is not the one that ${place.id} promotes.`,
      {
        hint: 'Name the URL of the target that has the nightly builds with --nights-from.',
      },
    );
  }
  const { top } = night;
  if (top === undefined)
    throw new NightlyError('usage', `The record of build ${night.meta.buildid} does not name its treefile.`, {
      hint: 'Ask whoever publishes it.',
    });
  const source = promotion?.recommit === true ? night : build;
  const swap =
    promotion && source === build ? swapOf(promotion, night.lockfile, build.lockfile, build.meta) : undefined;
  return { build, source, night, top, swap };
}

/** Returns which release package took the place of which: what the lockfiles differ in beside what the promotion says it changed. */
function swapOf(
  { overrides, excludes }: PromotionRecord,
  { packages: before }: Lockfile,
  { packages: after }: Lockfile,
  { buildid }: BuildMeta,
): RemoteSwap | undefined {
  const overridden = overrides.flatMap((nevra) => parseNevra(nevra)?.name ?? []);
  const gone = Object.keys(before).filter((name) => !(name in after) && !excludes.includes(name));
  const come = Object.keys(after).filter((name) => !(name in before) && !overridden.includes(name));
  const [from, to] = [gone[0], come[0]];
  if (gone.length === 0 && come.length === 0) return undefined;
  if (from !== undefined && to !== undefined && gone.length === 1 && come.length === 1) return { from, to };
  throw new NightlyError(
    'verify',
    `Build ${buildid} has other packages than its promotion says: ${[...gone, ...come].join(', ')}.`,
    {
      hint: 'Ask whoever publishes it: nobody can compose it again from these records.',
    },
  );
}
