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
  places: ReleasePlaces,
  runner: Runner,
): Promise<void> {
  const { config, stream } = project;
  const { paths, meta } = stored;
  const build = reopenBuild(stored);
  const commit = meta.ostreeCommit ?? '';
  const { to, trees, images } = places;
  const first = firstPlaces(places, stream.name);

  const { at } = await runner.step('begin', {}, async () => ({ at: new Date().toISOString() }));
  const survey = await surveyBuilds(config.work);
  const previous = lastRelease(survey.builds, stream.name);
  // What is told as new would be told against an older release.
  insistOnWhole(survey, previous?.paths.id);
  const before = previous?.meta.buildid === build.id ? undefined : previous;
  const notes = await runner.step(
    'notes',
    { at, previous: before?.meta.buildid },
    (task) => writeNotes(project, stored, { ...first, previous: before, at }, task),
    async (names) => names.every((name) => existsSync(join(paths.release, name))),
  );
  await forEachTarget(trees, (target) => releaseTree(project, stored, target, runner));
  await releaseImages(project, stored, { images, notes }, runner);
  const { approvals } = meta;
  await updateMeta(paths, { approvals, release: { at } });
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

/** Returns what the texts of a release are made with: they link to the first target of each kind. */
function firstPlaces({ to, signer, trees: [tree], images: [images] }: ReleasePlaces, stream: string) {
  if (tree && images) return { to, signer, tree, images };
  throw new NightlyError('bug', `Stream "${stream}" passed its checks without a target for releases.`);
}

/** Brings the tree to one of its targets, to stay there. */
async function releaseTree(project: Project, stored: StoredBuild, target: Target, runner: Runner): Promise<void> {
  const { ref } = project;
  const { ostreeCommit: commit = '', deltas = [] } = stored.meta;
  const build = reopenBuild(stored);
  await runner.step(`push-${target.name}`, { commit }, (task) =>
    push(project, build, target, { commit, deltas }, task),
  );
  await runner.step(`keep-${target.name}`, { commit }, (task) =>
    keepPromotedCommit(project, build, { id: build.id, commit }, target, task),
  );
  await runner.step(`verify-${target.name}`, { commit }, (task) => verify(project, target, { ref, commit }, task));
}

/** Brings images, records and the texts of the release to their targets. @param notes names of those texts */
async function releaseImages(
  project: Project,
  stored: StoredBuild,
  { images, notes }: { readonly images: readonly Target[]; readonly notes: readonly string[] },
  runner: Runner,
): Promise<void> {
  const { paths, meta } = stored;
  const { work } = project.config;
  const build = reopenBuild(stored);
  const commit = meta.ostreeCommit ?? '';
  const { templates } = await openImages(project, build, commit);
  const files = await readSums(build);
  const texts = notes.map((name) => join(paths.release, name));
  await forEachTarget(images, (target) =>
    runner.step(`publish-${target.name}`, { commit, notes }, async (task) => {
      const sent = texts.map((path) => relative(work, path));
      await target.send(work, sent, { immutable: true }, task);
      const told = texts.map((path) => relative(paths.dir, path));
      await publishBuild(project, build, target, { files, logs: await logsOf(build), templates, told }, task);
    }),
  );
}

/** Does the same for every target and waits for all; the first fault is the caller's. */
export async function forEachTarget(
  targets: readonly Target[],
  work: (target: Target) => Promise<void>,
): Promise<void> {
  const { errors } = await sideBySide(targets, work);
  if (errors[0]) throw errors[0];
}
