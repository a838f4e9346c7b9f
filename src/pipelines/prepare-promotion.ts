import type { PromotionRecord } from '../build/build-record.ts';
import { readMeta } from '../build/build-store.ts';
import { type UpstreamRecord, writeUpstream } from '../build/upstream-record.ts';
import { targetsOf } from '../config/lookup.ts';
import { isWhole } from '../ostree/local-repo.ts';
import { readCommit } from '../ostree/objects.ts';
import { readLockfile } from '../rpm/lockfile.ts';
import { lockedPackages } from '../rpm/pkgdiff.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import { type Night, openPromotedNight } from '../run/promoted-night.ts';
import type { Runner } from '../run/runner.ts';
import { seed } from '../steps/compose/seed.ts';
import { keepInputs, promoteInputs } from '../steps/promote/promote-inputs.ts';
import { promotePackages, storeIsWhole } from '../steps/promote/promote-packages.ts';
import { promoteQuorum } from '../steps/promote/promote-quorum.ts';
import { promoteResolve } from '../steps/promote/promote-resolve.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { comparePackages } from './compare-upstream.ts';
import { requireNear } from './require-near.ts';

/** What a promotion is made from, found out before anything is composed. */
export interface PreparedPromotion {
  readonly night: Night;
  /** Where the nightly builds are published. */
  readonly nights: readonly Target[];
  /** The commit that it would follow. */
  readonly parent: string | undefined;
  /** How many packages, each with a good signature. */
  readonly packages: number;
  /** The depsolve's digest; undefined where the nightly build's tree is taken as it is. */
  readonly inputHash: string | undefined;
}

/**
 * Runs the steps of a promotion up to the depsolve, with every gate among them: the run and the dry run share them.
 */
export async function preparePromotion(
  project: Project,
  build: Build,
  promotion: PromotionRecord,
  runner: Runner,
): Promise<PreparedPromotion> {
  const { stream, ref, config } = project;
  const night = await openPromotedNight(config.work, promotion.of);
  const nights = nightTargets(project, night);
  const { parent } = await runner.step('seed', { ref, url: stream.seed.url }, async (task) => {
    // They are written to when all the work is done.
    await Promise.all(nights.map((target) => target.check(task)));
    return seed(project, build, task);
  });
  const { recommit, overrides, excludes, lastRelease: release } = promotion;
  const changes = { overrides, excludes };
  if (project.treefile === undefined) {
    const inputHash = await runner.step('inputs', { night: night.commit, recommit }, (task) =>
      recommit ? keepInputs(project, build, night) : promoteInputs(project, build, night, task),
    );
    await compareCandidate({ project, build, night, promotion }, runner);
    return { night, nights, parent, packages: 0, inputHash };
  }
  const { packages } = await runner.step(
    'packages',
    { night: night.commit, changes, release },
    (task) => promotePackages(project, build, { night, changes, recommit, release }, task),
    // Once the commit is made nobody asks for them any more.
    async () => (await readMeta(build.paths)).ostreeCommit !== undefined || storeIsWhole(project, build),
  );
  await compareCandidate({ project, build, night, promotion }, runner);
  const { rebuild } = stream.release ?? {};
  if (rebuild !== undefined) {
    const isMade = async () => (await readMeta(build.paths)).ostreeCommit !== undefined;
    await runner.step(
      'quorum',
      { night: night.commit, changes, rebuild },
      (task) => promoteQuorum(project, build, rebuild, task),
      isMade,
    );
  }
  const known = { night, nights, parent, packages };
  if (recommit) return { ...known, inputHash: undefined };
  const { inputHash } = await runner.step('resolve', { night: night.commit, changes }, (task) =>
    promoteResolve(project, build, { night, changes }, task),
  );
  return { ...known, inputHash };
}

/** Compares what will be promoted with upstream, before it is composed. A record of it is kept for those who review it. */
async function compareCandidate(
  {
    project: { config, stream, repo, treefile },
    build,
    night,
    promotion,
  }: { readonly project: Project; readonly build: Build; readonly night: Night; readonly promotion: PromotionRecord },
  runner: Runner,
): Promise<void> {
  const upstream = stream.release?.cycle?.upstream?.compared;
  if (!upstream) return;
  const { overrides, excludes, upstream: release } = promotion;
  const isTree = overrides.length + excludes.length === 0 && isWhole({ path: repo }, night.commit);
  await runner.step('upstream', { night: night.commit, overrides, excludes, upstream }, async (task) => {
    const packages =
      treefile === undefined
        ? ((await readCommit(repo, night.commit)).packages ?? [])
        : lockedPackages(await readLockfile(build.paths.lockfile));
    const tree = isTree ? { repo, checksum: night.commit } : undefined;
    const candidate = {
      build: build.id,
      basearch: stream.arch,
      packages,
      tree,
      ...(release !== undefined && { release }),
    };
    const gate = {
      compare: () => comparePackages(config, candidate, upstream, task),
      keep: (record: UpstreamRecord) => writeUpstream(build.paths, record),
      warn: (message: string) => task.say(message),
    };
    await requireNear(upstream, gate, task);
    return {};
  });
}

function nightTargets({ config }: Project, { meta }: Night): Target[] {
  const stream = config.streams[meta.stream];
  return stream ? targetsOf(config, stream).map(openTarget) : [];
}
