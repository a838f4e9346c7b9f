import type { WithdrawalRecord } from '../build/build-record.ts';
import { findBuild, updateMeta } from '../build/build-store.ts';
import { withTemplates } from '../images/image.ts';
import type { Build } from '../run/build.ts';
import { reopenBuild } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { publishRecords, renewRecords } from '../steps/deliver/publish-build.ts';
import { push, verify } from '../steps/deliver/push.ts';
import { sign } from '../steps/deliver/sign.ts';
import { openImages } from '../steps/images/images.ts';
import { logBefore, withdrawEntry } from '../steps/log/log-before.ts';
import { keepPromotedCommit } from '../steps/promote/promote-keep.ts';
import { commitBack } from '../steps/release/withdraw-commit.ts';
import { restorePointers } from '../steps/release/withdraw-pointers.ts';
import type { Delivered } from './outcome.ts';
import { putPages } from './put-pages.ts';
import { forEachTarget, openReleasePlaces } from './release.ts';

/**
 * Takes a release back, a step a line: the tree of the release before it in a new commit on top of the bad one, which
 * hosts take as an upgrade, then all pointers back. Nothing is deleted.
 */
export async function withdraw(
  project: Project,
  build: Build,
  { of, previous, reason }: WithdrawalRecord,
  runner: Runner,
): Promise<Delivered> {
  const { config, ref } = project;
  const { signer, trees, images } = openReleasePlaces(project);
  const [bad, good] = [await findBuild(config.work, of), await findBuild(config.work, previous)];
  const [from, back] = [bad.meta.ostreeCommit ?? '', good.meta.ostreeCommit ?? ''];
  const commit = await runner.step('commit', { from, back }, (task) =>
    commitBack(project, build, 'withdraws', { bad: from, of, previous: back }, task),
  );
  await runner.step('sign', { commit }, (task) => sign(project.repo, commit, signer, task));
  await updateMeta(build.paths, { ostreeCommit: commit, ostreeVersion: build.id, parent: from });

  // Staging, too: the next promotion follows what is there.
  const others = trees.filter(({ name }) => !project.targets.some((target) => target.name === name));
  await forEachTarget([...project.targets, ...others], async (target) => {
    await runner.step(`push-${target.name}`, { commit }, async (task) => {
      const taken = { ids: [of], by: build.id, commit, previous, reason };
      await logBefore(config, [withdrawEntry(project.stream, taken)], target, task);
      await push(project, build, target, { commit, deltas: [] }, task);
    });
    await runner.step(`keep-${target.name}`, { commit }, (task) =>
      keepPromotedCommit(project, build, { id: previous, commit }, target, task),
    );
    await runner.step(`verify-${target.name}`, { commit }, (task) => verify(project, target, { ref, commit }, task));
  });

  const at = new Date(build.timestamp * 1000).toISOString();
  const released = bad.meta.release?.at ?? at;
  await updateMeta(bad.paths, { release: { at: released, withdrawn: { at, reason, by: build.id } } });
  const set = await openImages(project, reopenBuild(good), back);
  const made = withTemplates(set.templates, good.meta.images);
  await forEachTarget(images, (target) =>
    runner.step(`point-${target.name}`, { commit, reason }, async (task) => {
      await publishRecords(project, bad, target, task);
      await restorePointers(project, { bad: of, previous: good, images: made, commit, reason }, target, task);
    }),
  );
  const staging = project.targets.filter(({ name }) => !images.some((target) => target.name === name));
  await forEachTarget(staging, (target) =>
    runner.step(`record-${target.name}`, { commit, reason }, (task) => renewRecords(project, bad, [target], task)),
  );
  await forEachTarget(images, (target) => putPages(project, { of, inputs: { commit, reason } }, target, runner));
  return { state: 'complete', commit, failures: [] };
}
