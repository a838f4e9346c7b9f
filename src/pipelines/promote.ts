import { definedOnly } from '../base/defined-only.ts';
import type { BuildMeta, PromotionRecord } from '../build/build-record.ts';
import { findBuild, updateMeta } from '../build/build-store.ts';
import type { Composed } from '../engines/engine.ts';
import { readCommit } from '../ostree/objects.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Night } from '../run/promoted-night.ts';
import type { Runner } from '../run/runner.ts';
import { composeFolder } from '../steps/compose/compose-folder.ts';
import { programs } from '../steps/compose/inputs-record.ts';
import { promoteCommit } from '../steps/promote/promote-commit.ts';
import { promoteCompare } from '../steps/promote/promote-compare.ts';
import { promoteCompose } from '../steps/promote/promote-compose.ts';
import { keepPromotedCommit } from '../steps/promote/promote-keep.ts';
import { supersede } from '../steps/promote/promote-supersede.ts';
import { deliver } from './deliver.ts';
import type { Delivered, Stopped } from './outcome.ts';
import { preparePromotion } from './prepare-promotion.ts';
import { sideBySide } from './side-by-side.ts';

/** One promotion of a night, a step a line; a resumed build skips what its journal has. */
export async function promote(
  project: Project,
  build: Build,
  promotion: PromotionRecord,
  runner: Runner,
): Promise<Delivered | Stopped> {
  const { night, nights, parent, inputHash: resolved } = await preparePromotion(project, build, promotion, runner);
  const made =
    resolved === undefined
      ? await nightsTree(project, night)
      : await rebuild(project, build, { night, promotion, inputHash: resolved }, runner);
  const commit = await runner.step('commit', { source: made.composed.commit, parent }, (task) =>
    promoteCommit(project, build, { source: made.composed.commit, parent, night }, task),
  );
  const kept = await sideBySide(nights, (target) =>
    runner.step(`keep-${target.name}`, { night: night.commit }, (task) =>
      keepPromotedCommit(project, build, night, target, task),
    ),
  );
  // Nothing is published of a night that a prune may take away meanwhile.
  if (kept.errors[0]) throw kept.errors[0];

  const { inputHash, composed, engine, inputs } = made;
  const from = await findBuild(project.config.work, night.id);
  if (inputs !== undefined) await updateMeta(build.paths, { inputs });
  const delivery = { composed: { ...composed, commit }, inputHash, from, parent, engine };
  const delivered = await deliver(project, build, delivery, runner);
  await runner.step('supersede', { supersedes: promotion.supersedes }, (task) =>
    supersede(project, build, promotion, task),
  );
  return delivered;
}

interface Made {
  readonly composed: Composed;
  readonly inputHash: string;
  /** What made this tree; undefined: the stream's engine, now. */
  readonly engine?: BuildMeta['engine'];
  readonly inputs?: BuildMeta['inputs'];
}

/** Composes the nightly build's tree again from its packages, and compares it with what it was. */
async function rebuild(
  project: Project,
  build: Build,
  {
    night,
    promotion,
    inputHash,
  }: { readonly night: Night; readonly promotion: PromotionRecord; readonly inputHash: string },
  runner: Runner,
): Promise<Made> {
  const { acceptDifferences: accept } = promotion;
  const composed = await runner.step('compose', { night: night.commit, inputHash }, (task) =>
    project.treefile === undefined
      ? composeFolder(project, build, { inputHash, timestamp: night.timestamp }, task)
      : promoteCompose(project, build, { night, inputHash }, task),
  );
  const { commit, contentChecksum } = composed;
  const compared = await runner.step('compare', { night: night.commit, contentChecksum, accept }, (task) =>
    promoteCompare(project, build, { night, commit, contentChecksum, accept }, task),
  );
  if (!compared.same) {
    const { count, paths } = compared;
    await updateMeta(build.paths, {
      promotion: { ...promotion, differencesAccepted: { count, paths } },
    });
  }
  const { inputs } = night.meta;
  return { composed, inputHash, ...(inputs && { inputs: { ...inputs, programs: await programs() } }) };
}

/** Returns the night's tree as it is. */
async function nightsTree({ repo }: Project, night: Night): Promise<Made> {
  const { inputHash = '' } = await readCommit(repo, night.commit);
  const { meta, commit } = night;
  const kernel = meta.compose?.kernel;
  return {
    inputHash,
    ...definedOnly({ engine: meta.engine, inputs: meta.inputs }),
    composed: {
      commit,
      contentChecksum: meta.ostreeContentChecksum ?? '',
      kernel,
      initramfs: 'reused',
      phases: [],
    },
  };
}
