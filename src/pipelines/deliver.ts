import { DELTAS, IMAGES } from '../build/build-record-format.ts';
import { readMeta, type StoredBuild, updateMeta } from '../build/build-store.ts';
import type { Composed } from '../engines/engine.ts';
import { treeSize } from '../ostree/tree-size.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { diff } from '../steps/compose/diff.ts';
import { makeDeltas } from '../steps/deliver/make-deltas.ts';
import { writeProvenanceRecords } from '../steps/deliver/provenance-records.ts';
import { prune } from '../steps/deliver/prune.ts';
import { prunePublished } from '../steps/deliver/prune-targets.ts';
import { fixedRecords, furtherRecords, publishBuild, writeChecksums } from '../steps/deliver/publish-build.ts';
import { moveLocalRef, push, verify } from '../steps/deliver/push.ts';
import { sign } from '../steps/deliver/sign.ts';
import { areSigned, signFiles } from '../steps/deliver/sign-files.ts';
import { markTested } from '../steps/deliver/tested.ts';
import { openImages } from '../steps/images/images.ts';
import { stateOf } from '../steps/images/merge-record.ts';
import { makeImages, sortImages } from './make-images.ts';
import type { Delivered, Stopped } from './outcome.ts';
import { putPages } from './put-pages.ts';
import { shareImages } from './share-images.ts';
import { type Settled, sideBySide } from './side-by-side.ts';
import { smokeTests } from './smoke-tests.ts';

/** A commit in the local repository, to be brought to people. */
export interface Delivery {
  readonly composed: Composed;
  readonly inputHash: string;
  /** The commit it follows. */
  readonly parent?: string | undefined;
  /** The build whose treefile it was composed from, and whose tree it has where it composed none; undefined: the build itself. */
  readonly from?: StoredBuild;
  /** Make no image: other machines will. */
  readonly until?: 'push';
}

/**
 * Delivers a commit, which a nightly and a promotion have in common, a step a line: it is signed, pushed, verified,
 * its images made, tested and published.
 * @param onPublished called once every target serves the commit
 */
export async function deliver(
  project: Project,
  build: Build,
  delivery: Delivery,
  runner: Runner,
  onPublished: () => Promise<void> = async () => undefined,
): Promise<Delivered | Stopped> {
  const { stream, ref, targets } = project;
  const { composed, inputHash, parent, until, from } = delivery;
  const { commit } = composed;
  const pkgdiff = await runner.step('diff', { parent, commit }, (task) =>
    diff(project, build, { parent, commit }, task),
  );
  await runner.step('provenance', { commit, from: from?.meta.buildid }, async (task) => {
    const own = from ?? { paths: build.paths, meta: await readMeta(build.paths) };
    await writeProvenanceRecords(build, { repo: project.repo, commit, from: own }, task);
  });
  const tree = await runner.step('measure', { commit }, (task) => treeSize(project.repo, commit, task));
  const { signer } = project;
  const signedBy = signer
    ? await runner.step('sign', { commit }, (task) => sign(project.repo, commit, signer, task))
    : [];
  const deltas =
    stream.deltas.length === 0
      ? []
      : DELTAS.decode(
          await runner.step('deltas', { commit, parent, from: stream.deltas }, async (task) =>
            DELTAS.encode(await makeDeltas(project, { commit, parent }, task)),
          ),
        );
  await updateMeta(build.paths, {
    ostreeCommit: commit,
    ostreeVersion: build.id,
    ostreeContentChecksum: composed.contentChecksum,
    rpmOstreeInputhash: inputHash,
    pkgdiff,
    tree,
    parent,
    ...(deltas.length === 0 ? {} : { deltas }),
    ...(signedBy.length === 0 ? {} : { signedBy }),
    engine: { name: project.engine.name, version: project.engine.version },
    compose: {
      initramfs: composed.initramfs,
      kernel: composed.kernel,
      phases: composed.phases,
    },
  });

  const pushed = await sideBySide(targets, async (target) => {
    await runner.step(`push-${target.name}`, { commit }, (task) =>
      push(project, build, target, { commit, deltas }, task),
    );
    await runner.step(`verify-${target.name}`, { commit }, (task) => verify(project, target, { ref, commit }, task));
    return target;
  });
  if (pushed.results.length === 0) throw pushed.errors[0];
  if (pushed.errors.length === 0) {
    await moveLocalRef(project, commit);
    await onPublished();
  }
  await updateMeta(build.paths, { published: pushed.results.map(({ name }) => name) });

  if (until !== undefined || (await readMeta(build.paths)).pendingImages !== undefined) {
    // From here on other machines may have a part in it: what they made is merged with, whatever happens here.
    if (until !== undefined) await updateMeta(build.paths, { pendingImages: stream.images });
    const made = { targets: pushed.results, failures: pushed.failures };
    const only = until === undefined ? {} : { only: [] };
    const shared = await shareImages(project, build, { tree: made, ...only }, runner);
    // Pages need the records of all builds, which other machines do not have.
    const paged = await sideBySide(pushed.results, (target) =>
      putPages(project, { of: build.id, inputs: { shared } }, target, runner),
    );
    const pruned = await pruneTargets(project, commit, runner);
    const late = [...paged.failures, ...pruned.failures];
    if (late.length === 0) return shared;
    const failures = [...shared.failures, ...late];
    return { state: stateOf(failures), commit, failures };
  }
  const set = await openImages(project, build, commit);
  const imaged = await makeImages(build, set, set.templates, runner);
  const gated = await smokeTests(project, build, { set, images: imaged.results, commit }, runner);
  const failures = [...pushed.failures, ...imaged.failures, ...gated.failures];
  // An image that did not come up stays here to be looked at; nobody else gets it.
  const good = imaged.results.filter(({ name }) => !gated.failed.includes(name));
  const { images, refused } = sortImages(imaged.results, gated.failed);
  await updateMeta(build.paths, {
    images,
    state: stateOf(failures),
    failures,
    ...(stream.smokeTest === false ? {} : { smokeTests: gated.tests, refusedImages: refused }),
  });
  const recorded = IMAGES.encode(images);
  const files = [...fixedRecords(build), ...good.map(({ image }) => image.path)];
  const further = furtherRecords(build);
  await runner.step('checksums', { images: recorded, ...further }, () => writeChecksums(build, files));
  const { signing } = stream;
  const signed = await sideBySide(signer ? [signer] : [], (one) =>
    runner.step(
      'sign-files',
      { images: recorded, signing, ...further },
      (task) => signFiles(build, one, task),
      async () => areSigned(build, files),
    ),
  );

  const { testedRef } = project;
  // The tree is out already; images and records whose signatures cannot be had wait for a resume.
  const ready = signed.errors.length === 0 ? pushed.results : [];
  const published = await sideBySide(ready, async (target) => {
    await runner.step(`publish-${target.name}`, { images: recorded, failures, ...further }, (task) =>
      publishBuild(project, build, target, { files, images: set.withTemplates(good) }, task),
    );
    if (testedRef !== undefined && gated.passed) {
      await runner.step(`tested-${target.name}`, { commit, testedRef }, (task) =>
        markTested(project, build, target, { commit, testedRef }, task),
      );
    }
    await putPages(project, { of: build.id, inputs: { images: recorded, failures } }, target, runner);
  });
  await runner.step('prune', { images: recorded, refused: IMAGES.encode(refused) }, (task) => prune(project, task));
  const pruned = await pruneTargets(project, commit, runner);
  const all = [...failures, ...signed.failures, ...published.failures, ...pruned.failures];
  return { state: stateOf(all), commit, failures: all };
}

function pruneTargets(project: Project, commit: string, runner: Runner): Promise<Settled<void>> {
  return sideBySide(
    project.targets.filter(({ name }) => project.config.targets[name]?.retention),
    (target) => runner.step(`prune-${target.name}`, { commit }, (task) => prunePublished(project, target, task)),
  );
}
