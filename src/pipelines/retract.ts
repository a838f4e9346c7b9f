import { copyFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { quietTask } from '../base/task.ts';
import { wasTested } from '../build/about-build.ts';
import { SUMS } from '../build/build-files.ts';
import type { RetractionRecord } from '../build/build-record.ts';
import { findBuild, type StoredBuild, updateMeta } from '../build/build-store.ts';
import { withTemplates } from '../images/image.ts';
import { treeSize } from '../ostree/tree-size.ts';
import { readTargetRef } from '../publish/heads.ts';
import type { Summed } from '../published/sha256sums.ts';
import { type Build, reopenBuild } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { diff } from '../steps/compose/diff.ts';
import { writeProvenanceRecords } from '../steps/deliver/provenance-records.ts';
import {
  checksumsOf,
  fixedRecords,
  furtherRecords,
  logsOf,
  publishBuild,
  readSums,
  writeSums,
} from '../steps/deliver/publish-build.ts';
import { moveLocalRef, push, verify } from '../steps/deliver/push.ts';
import { sign } from '../steps/deliver/sign.ts';
import { areSigned, recordSignature, signFiles } from '../steps/deliver/sign-files.ts';
import { markTested } from '../steps/deliver/tested.ts';
import { openImages } from '../steps/images/images.ts';
import { logBefore, withdrawEntry } from '../steps/log/log-before.ts';
import { markRetracted } from '../steps/release/mark-retracted.ts';
import { commitBack } from '../steps/release/withdraw-commit.ts';
import { billTree, stateBuild } from './attest-build.ts';
import type { Delivered } from './outcome.ts';
import { putPages } from './put-pages.ts';
import { forEachTarget } from './release.ts';

/** A retraction under way: the new build, its record, and the builds it is about. */
interface Retraction {
  readonly build: Build;
  readonly record: RetractionRecord;
  readonly good: StoredBuild;
  /** Commits of the bad night and of the good one. */
  readonly parent: string;
  readonly back: string;
}

/**
 * Takes bad nights back, a step a line: the tree of a good one in a new commit on top of the bad, which hosts take as an
 * upgrade, then everything that leads to images. Nothing is deleted, and no images are made: those of the good one are right.
 */
export async function retract(
  project: Project,
  build: Build,
  record: RetractionRecord,
  runner: Runner,
): Promise<Delivered> {
  const { config, targets } = project;
  const [bad, good] = [await findBuild(config.work, record.of), await findBuild(config.work, record.previous)];
  const [parent, back] = [bad.meta.ostreeCommit ?? '', good.meta.ostreeCommit ?? ''];
  const of: Retraction = { build, record, good, parent, back };
  const commit = await makeCommit(project, of, runner);
  await sendCommit(project, of, commit, runner);
  await moveLocalRef(project, commit);
  // What is told of it from here on is true: hosts get the good tree.
  await updateMeta(build.paths, { published: targets.map(({ name }) => name), state: 'complete' });
  const files = await sumRecords(project, build, commit, runner);
  await markOnTargets(project, of, { commit, files }, runner);
  return { state: 'complete', commit, failures: [] };
}

/** What the record of the good night says of its tree is true of the new commit. */
const KEPT = ['ostreeContentChecksum', 'rpmOstreeInputhash', 'treefileDigest', 'engine', 'inputs', 'compose'] as const;

/** Makes the commit and the records that go with it; nothing of that is visible yet. @returns the commit */
async function makeCommit(
  project: Project,
  { build, record, good, parent, back }: Retraction,
  runner: Runner,
): Promise<string> {
  const { repo, signer } = project;
  const commit = await runner.step('commit', { parent, back }, async (task) => {
    await copyFile(good.paths.lockfile, build.paths.lockfile);
    await copyFile(good.paths.treefile, build.paths.treefile);
    return commitBack(project, build, 'retracts', { bad: parent, of: record.of, previous: back }, task);
  });
  const pkgdiff = await runner.step('diff', { parent, commit }, (task) =>
    diff(project, build, { parent, commit }, task),
  );
  await runner.step('provenance', { commit }, (task) =>
    writeProvenanceRecords(build, { repo, commit, from: good }, task),
  );
  await billTree(project, build, commit, runner);
  const tree = await runner.step('measure', { commit }, (task) => treeSize(repo, commit, task));
  const signedBy = signer ? await runner.step('sign', { commit }, (task) => sign(repo, commit, signer, task)) : [];
  await updateMeta(build.paths, {
    ...Object.fromEntries(KEPT.flatMap((key) => (good.meta[key] === undefined ? [] : [[key, good.meta[key]]]))),
    ostreeCommit: commit,
    ostreeVersion: build.id,
    pkgdiff,
    tree,
    parent,
    ...(signedBy.length === 0 ? {} : { signedBy }),
  });
  await stateBuild(project, build, commit, runner);
  return commit;
}

async function sendCommit(
  project: Project,
  { build, record }: Retraction,
  commit: string,
  runner: Runner,
): Promise<void> {
  const { config, stream, ref, targets } = project;
  const { of, previous, between, reason } = record;
  await forEachTarget(targets, async (target) => {
    await runner.step(`push-${target.name}`, { commit }, async (task) => {
      const taken = { ids: [of, ...between], by: build.id, commit, previous, reason };
      await logBefore(config, [withdrawEntry(stream, taken)], target, task);
      await push(project, build, target, { commit, deltas: [] }, task);
    });
    await runner.step(`verify-${target.name}`, { commit }, (task) => verify(project, target, { ref, commit }, task));
  });
}

/** @returns the files of the build that are published, with their checksums */
async function sumRecords(
  { signer }: Project,
  build: Build,
  commit: string,
  runner: Runner,
): Promise<readonly Summed[]> {
  const further = furtherRecords(build);
  await runner.step('checksums', { commit, ...further }, async () =>
    writeSums(build, await checksumsOf(build, fixedRecords(build))),
  );
  const files = await readSums(build);
  if (!signer) return files;
  const toSign = [...files, ...(await checksumsOf(build, [SUMS]))];
  await runner.step(
    'sign-files',
    { commit, ...further },
    (task) => signFiles(build, toSign, signer, task),
    async () => areSigned(build, toSign),
  );
  return files;
}

/** Publishes the records, and has those of the builds that were taken back say so, here and on the targets. */
async function markOnTargets(
  project: Project,
  { build, record, good, back }: Retraction,
  { commit, files }: { readonly commit: string; readonly files: readonly Summed[] },
  runner: Runner,
): Promise<void> {
  const { config, signer, targets, testedRef } = project;
  const { of, previous, between, reason } = record;
  const further = furtherRecords(build);
  const at = new Date().toISOString();
  const gone = await Promise.all([of, ...between].map((id) => findBuild(config.work, id)));
  const ids = gone.map(({ meta }) => meta.buildid);
  for (const { paths, meta } of gone) {
    if (meta.retracted === undefined) await updateMeta(paths, { retracted: { at, reason, by: build.id } });
  }
  const set = await openImages(project, reopenBuild(good), back);
  const images = withTemplates(set.templates, good.meta.images);
  const folder = relative(config.work, dirname(good.paths.meta));
  await forEachTarget(targets, async (target) => {
    await runner.step(
      `publish-${target.name}`,
      { commit, ...further },
      async (task) => {
        await publishBuild(project, build, target, { files, logs: await logsOf(build), templates: [] }, task);
      },
      // An attempt that was cut off has written the record again.
      async () => signer === undefined || (await recordSignature(build.paths.dir, signer, quietTask())) === 'current',
    );
    await runner.step(`mark-${target.name}`, { commit, reason }, (task) =>
      markRetracted(project, build, target, { gone, release: previous, folder, images, reason }, task),
    );
    if (testedRef !== undefined) {
      await runner.step(`tested-${target.name}`, { commit, testedRef }, async (task) => {
        // One that names an earlier tested night leads nobody to a bad one.
        const head = await readTargetRef(target, testedRef, task);
        const isBad = gone.some(({ meta }) => meta.ostreeCommit === head);
        // A night whose images did not all come up has a record of those that did.
        const passed = wasTested(project.stream, good.meta);
        if (isBad || passed) await markTested(project, build, target, { commit, testedRef, gone: ids }, task);
      });
    }
    await putPages(project, { of: [build.id, ...ids], inputs: { commit, reason } }, target, runner);
  });
}
