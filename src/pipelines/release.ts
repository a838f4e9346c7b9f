import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { insistOnWhole, type StoredBuild, surveyBuilds, updateMeta } from '../build/build-store.ts';
import { lastRelease } from '../build/promotions.ts';
import type { ReleaseTo } from '../config/config.ts';
import { sendMessage } from '../reports/release/release-mail.ts';
import { reopenBuild } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import type { Signer } from '../signing/signer.ts';
import { logsOf, publishBuild, publishRecords, readSums, renewRecords } from '../steps/deliver/publish-build.ts';
import { push, verify } from '../steps/deliver/push.ts';
import { openImages } from '../steps/images/images.ts';
import { logBefore, releaseEntry } from '../steps/log/log-before.ts';
import { keepPromotedCommit } from '../steps/promote/promote-keep.ts';
import { writeNotes } from '../steps/release/release-notes.ts';
import { pointAtRelease } from '../steps/release/release-pointers.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { putPages } from './put-pages.ts';
import { sideBySide } from './side-by-side.ts';

export interface ReleasePlaces {
  readonly to: ReleaseTo;
  readonly signer: Signer;
  readonly trees: readonly Target[];
  readonly images: readonly Target[];
}

/**
 * Returns where a stream's releases go, opened. @throws NightlyError `config` when it does not say, or does not sign.
 */
export function openReleasePlaces(project: Project): ReleasePlaces {
  const { stream, signer, config } = project;
  const to = stream.release?.to;
  const place = config.placeOf('streams', stream.name);
  if (!to) {
    throw new NightlyError('config', `Stream "${stream.name}" does not say where releases go.`, {
      hint: 'Add "release: {tree: [TARGET], images: [TARGET]}" to it.',
      place,
    });
  }
  if (!signer) {
    throw new NightlyError('config', `Stream "${stream.name}" does not sign, and nothing unsigned is released.`, {
      hint: 'Add "signing" to the stream, then promote again.',
      place,
    });
  }
  const open = (names: readonly string[]) => names.flatMap((name) => config.targets[name] ?? []).map(openTarget);
  return { to, signer, trees: open(to.tree), images: open(to.images) };
}

/**
 * The release of a promotion, a step a line: the tree to its mirrors, images and records to theirs, then what points at
 * them, and the announcement last. Whatever fails stops it before the next line; run again, it continues there.
 */
export async function release(
  project: Project,
  stored: StoredBuild,
  { to, signer, trees, images }: ReleasePlaces,
  runner: Runner,
): Promise<void> {
  const { config, stream, ref } = project;
  const { paths, meta } = stored;
  const build = reopenBuild(stored);
  const commit = meta.ostreeCommit ?? '';
  const deltas = meta.deltas ?? [];
  const [tree, cloud] = [trees[0], images[0]];
  if (!tree || !cloud)
    throw new NightlyError('bug', `Stream "${stream.name}" passed its checks without a target for releases.`);

  const { at } = await runner.step('begin', {}, async () => ({ at: new Date().toISOString() }));
  const survey = await surveyBuilds(config.work);
  const previous = lastRelease(survey.builds, stream.name);
  // What is told as new would be told against an older release.
  insistOnWhole(survey, previous?.paths.id);
  const before = previous?.meta.buildid === build.id ? undefined : previous;
  const notes = await runner.step(
    'notes',
    { at, previous: before?.meta.buildid },
    (task) => writeNotes(project, stored, { to, signer, tree, images: cloud, previous: before, at }, task),
    async (names) => names.every((name) => existsSync(join(paths.release, name))),
  );

  await forEachTarget(trees, async (target) => {
    await runner.step(`push-${target.name}`, { commit }, (task) =>
      push(project, build, target, { commit, deltas }, task),
    );
    await runner.step(`keep-${target.name}`, { commit }, (task) =>
      keepPromotedCommit(project, build, { id: build.id, commit }, target, task),
    );
    await runner.step(`verify-${target.name}`, { commit }, (task) => verify(project, target, { ref, commit }, task));
  });

  const { templates } = await openImages(project, build, commit);
  const files = await readSums(build);
  await forEachTarget(images, (target) =>
    runner.step(`publish-${target.name}`, { commit, notes }, async (task) => {
      const told = notes.map((name) => relative(config.work, join(paths.release, name)));
      await target.send(config.work, told, { immutable: true }, task);
      await publishBuild(
        project,
        build,
        target,
        {
          files,
          logs: await logsOf(build),
          templates,
          told: notes.map((name) => relative(paths.dir, join(paths.release, name))),
        },
        task,
      );
    }),
  );

  const { approvals } = meta;
  await updateMeta(paths, {
    approvals,
    release: { at },
  });
  await forEachTarget(images, (target) =>
    runner.step(`point-${target.name}`, { commit, at }, async (task) => {
      const folder = relative(config.work, paths.dir);
      await logBefore(config, releaseEntry(meta, { at, previous: before?.meta.buildid }), target, task);
      await publishRecords(project, build, target, task);
      await pointAtRelease(project, build, { commit, folder: `${target.publicUrl}/${folder}` }, target, task);
    }),
  );
  // Where it was tested its record is to say the same.
  const others = project.targets.filter(({ name }) => !images.some((target) => target.name === name));
  await forEachTarget(others, (target) =>
    runner.step(`record-${target.name}`, { commit, at }, (task) => renewRecords(project, build, [target], task)),
  );
  await forEachTarget(images, (target) => putPages(project, { of: build.id, inputs: { commit, at } }, target, runner));
  const { mail } = to;
  if (mail?.smtp) {
    await runner.step('announce', { at }, async (task) => {
      await sendMessage(await readFile(join(paths.release, 'announcement.eml')), mail);
      task.say(`announced to ${mail.to.join(', ')}`);
    });
  }
}

/** Does the same for every target and waits for all; the first fault is the caller's. */
export async function forEachTarget(
  targets: readonly Target[],
  work: (target: Target) => Promise<void>,
): Promise<void> {
  const { errors } = await sideBySide(targets, work);
  if (errors[0]) throw errors[0];
}
