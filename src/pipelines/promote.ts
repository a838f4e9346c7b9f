import type { PromotionRecord } from '../build/build-record.ts';
import { readMeta, updateMeta } from '../build/build-store.ts';
import { targetsOf } from '../config/lookup.ts';
import type { Composed } from '../engines/engine.ts';
import { readCommit } from '../ostree/objects.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import { type Night, openPromotedNight } from '../run/promoted-night.ts';
import type { Runner } from '../run/runner.ts';
import { seed } from '../steps/compose/seed.ts';
import { promoteCommit } from '../steps/promote/promote-commit.ts';
import { promoteCompare } from '../steps/promote/promote-compare.ts';
import { promoteCompose } from '../steps/promote/promote-compose.ts';
import { keepPromotedCommit } from '../steps/promote/promote-keep.ts';
import { promotePackages, storeIsWhole } from '../steps/promote/promote-packages.ts';
import { promoteResolve } from '../steps/promote/promote-resolve.ts';
import { supersede } from '../steps/promote/promote-supersede.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { deliver } from './deliver.ts';
import type { Delivered, Stopped } from './outcome.ts';
import { sideBySide } from './side-by-side.ts';

/** One promotion of a night, a step a line; a resumed build skips what its journal has. */
export async function promote(
  project: Project,
  build: Build,
  promotion: PromotionRecord,
  runner: Runner,
): Promise<Delivered | Stopped> {
  const { stream, ref, config } = project;
  const night = await openPromotedNight(config.work, promotion.of);
  const nights = nightTargets(project, night);
  const { parent } = await runner.step('seed', { ref, url: stream.seed.url }, async (task) => {
    // They are written to when all the work is done.
    await Promise.all(nights.map((target) => target.check(task)));
    return seed(project, build.timestamp, task);
  });
  const { recommit, overrides, excludes, 'last-release': release } = promotion;
  const changes = { overrides, excludes };
  await runner.step(
    'packages',
    { night: night.commit, changes, release },
    (task) => promotePackages(project, build, { night, changes, recommit, release }, task),
    // Once the commit is made nobody asks for them any more.
    async () => (await readMeta(build.paths))['ostree-commit'] !== undefined || storeIsWhole(project, build),
  );

  const made = recommit
    ? await nightsTree(project, night)
    : await rebuild(project, build, { night, promotion }, runner);
  const commit = await runner.step('commit', { source: made.composed.commit, parent }, (task) =>
    promoteCommit(project, build, { source: made.composed.commit, parent, night }, task),
  );
  const kept = await sideBySide(nights, (target) =>
    runner.step(`keep-${target.name}`, { night: night.commit }, (task) =>
      keepPromotedCommit(build, night, target, task),
    ),
  );
  // Nothing is published of a night that a prune may take away meanwhile.
  if (kept.errors[0]) throw kept.errors[0];

  const { inputHash, composed } = made;
  const delivery = { composed: { ...composed, commit }, inputHash, ...(parent === undefined ? {} : { parent }) };
  const delivered = await deliver(project, build, delivery, runner);
  await runner.step('supersede', { supersedes: promotion.supersedes }, (task) =>
    supersede(project, build, promotion, task),
  );
  return delivered;
}

interface Made {
  readonly composed: Composed;
  readonly inputHash: string;
}

/** The night's tree made again from its packages, and compared with what it was. */
async function rebuild(
  project: Project,
  build: Build,
  { night, promotion }: { readonly night: Night; readonly promotion: PromotionRecord },
  runner: Runner,
): Promise<Made> {
  const { overrides, excludes, 'accept-differences': accept } = promotion;
  const changes = { overrides, excludes };
  const { inputHash } = await runner.step('resolve', { night: night.commit, changes }, (task) =>
    promoteResolve(project, build, { night, changes }, task),
  );
  const composed = await runner.step('compose', { night: night.commit, inputHash }, (task) =>
    promoteCompose(project, build, { night, inputHash }, task),
  );
  const { commit, contentChecksum } = composed;
  const compared = await runner.step('compare', { night: night.commit, contentChecksum, accept }, (task) =>
    promoteCompare(project, build, { night, commit, contentChecksum, accept }, task),
  );
  if (!compared.same) {
    const { count, paths } = compared;
    await updateMeta(build.paths, {
      'atomic-nightly.promotion': { ...promotion, 'differences-accepted': { count, paths } },
    });
  }
  return { composed, inputHash };
}

/** The night's tree as it is. */
async function nightsTree({ repo }: Project, night: Night): Promise<Made> {
  const { inputHash = '' } = await readCommit(repo, night.commit);
  const { meta, commit } = night;
  const kernel = meta['atomic-nightly.compose']?.kernel;
  return {
    inputHash,
    composed: {
      commit,
      contentChecksum: meta['ostree-content-checksum'] ?? '',
      ...(kernel === undefined ? {} : { kernel }),
      initramfs: 'reused',
      phases: [],
    },
  };
}

/** Where the nights are published. */
function nightTargets({ config }: Project, { meta }: Night): Target[] {
  const stream = config.streams[meta['atomic-nightly.stream']];
  return stream ? targetsOf(config, stream).map(openTarget) : [];
}
