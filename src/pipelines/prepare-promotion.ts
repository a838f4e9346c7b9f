import type { PromotionRecord } from '../build/build-record.ts';
import { readMeta } from '../build/build-store.ts';
import { targetsOf } from '../config/lookup.ts';
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
    return { night, nights, parent, packages: 0, inputHash };
  }
  const { packages } = await runner.step(
    'packages',
    { night: night.commit, changes, release },
    (task) => promotePackages(project, build, { night, changes, recommit, release }, task),
    // Once the commit is made nobody asks for them any more.
    async () => (await readMeta(build.paths)).ostreeCommit !== undefined || storeIsWhole(project, build),
  );
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

function nightTargets({ config }: Project, { meta }: Night): Target[] {
  const stream = config.streams[meta.stream];
  return stream ? targetsOf(config, stream).map(openTarget) : [];
}
