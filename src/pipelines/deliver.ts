import type { BuildMeta } from '../build/build-record.ts';
import { DELTAS } from '../build/build-record-format.ts';
import { readMeta, type StoredBuild, updateMeta } from '../build/build-store.ts';
import type { Composed } from '../engines/engine.ts';
import type { DeltaRecord } from '../ostree/delta-record.ts';
import { treeSize } from '../ostree/tree-size.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { diff } from '../steps/compose/diff.ts';
import { makeDeltas } from '../steps/deliver/make-deltas.ts';
import { writeProvenanceRecords } from '../steps/deliver/provenance-records.ts';
import { moveLocalRef, push, verify } from '../steps/deliver/push.ts';
import { recordAdvisories } from '../steps/deliver/record-advisories.ts';
import { sign } from '../steps/deliver/sign.ts';
import type { Target } from '../targets/target.ts';
import { billTree, stateBuild } from './attest-build.ts';
import { deliverImages } from './deliver-images.ts';
import type { Delivered, Stopped } from './outcome.ts';
import { type Settled, sideBySide } from './side-by-side.ts';

/** A commit in the local repository, to be brought to people. */
export interface Delivery {
  readonly composed: Composed;
  readonly inputHash: string;
  /** The commit it follows. */
  readonly parent?: string | undefined;
  /** The build whose treefile it was composed from, and whose tree it has where it composed none; undefined: the build itself. */
  readonly from?: StoredBuild;
  /** What made the tree, where it was not made now. */
  readonly engine?: BuildMeta['engine'] | undefined;
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
  const { stream } = project;
  const { composed, inputHash, parent, until, from, engine } = delivery;
  const { commit } = composed;
  const pkgdiff = await runner.step('diff', { parent, commit }, (task) =>
    diff(project, build, { parent, commit }, task),
  );
  const advisories = await runner.step('advisories', { parent, commit }, (task) =>
    recordAdvisories(project, build, pkgdiff, task),
  );
  await runner.step('provenance', { commit, from: from?.meta.buildid }, async (task) => {
    const own = from ?? { paths: build.paths, meta: await readMeta(build.paths) };
    await writeProvenanceRecords(build, { repo: project.repo, commit, from: own }, task);
  });
  await billTree(project, build, commit, runner);
  const tree = await runner.step('measure', { commit }, (task) => treeSize(project.repo, commit, task));
  const { signer } = project;
  const signedBy = signer
    ? await runner.step('sign', { commit }, (task) => sign(project.repo, commit, signer, task))
    : [];
  const deltas = await deltasTo(project, { commit, parent }, runner);
  await updateMeta(build.paths, {
    ostreeCommit: commit,
    ostreeVersion: build.id,
    ostreeContentChecksum: composed.contentChecksum,
    rpmOstreeInputhash: inputHash,
    pkgdiff,
    ...advisories,
    tree,
    parent,
    ...(deltas.length === 0 ? {} : { deltas }),
    ...(signedBy.length === 0 ? {} : { signedBy }),
    engine: engine ?? { name: project.engine.name, version: project.engine.version },
    compose: {
      initramfs: composed.initramfs,
      kernel: composed.kernel,
      phases: composed.phases,
    },
  });
  await stateBuild(project, build, commit, runner);

  const pushed = await pushEverywhere(project, build, { commit, deltas }, runner);
  if (pushed.errors.length === 0) {
    await moveLocalRef(project, commit);
    await onPublished();
  }
  await updateMeta(build.paths, { published: pushed.results.map(({ name }) => name) });

  // From here on other machines may have a part in it: what they made is merged with, whatever happens here.
  if (until !== undefined) await updateMeta(build.paths, { pendingImages: stream.images });
  const { pendingImages } = await readMeta(build.paths);
  const made = { targets: pushed.results, failures: pushed.failures };
  const share = pendingImages && { only: until && [] };
  return deliverImages(project, build, { tree: made, share }, runner);
}

/** Returns the static deltas to a commit, made where the stream has any. */
async function deltasTo(
  project: Project,
  { commit, parent }: Pick<Delivery, 'parent'> & { readonly commit: string },
  runner: Runner,
): Promise<readonly DeltaRecord[]> {
  const from = project.stream.deltas;
  if (from.length === 0) return [];
  const made = await runner.step('deltas', { commit, parent, from }, async (task) =>
    DELTAS.encode(await makeDeltas(project, { commit, parent }, task)),
  );
  return DELTAS.decode(made);
}

/**
 * Pushes a commit to every target of the stream, and pulls it from there as a client.
 * @returns the targets that serve it, and what failed elsewhere
 * @throws NightlyError that of a target when no target serves it.
 */
async function pushEverywhere(
  project: Project,
  build: Build,
  { commit, deltas }: { readonly commit: string; readonly deltas: readonly DeltaRecord[] },
  runner: Runner,
): Promise<Settled<Target>> {
  const { ref, targets } = project;
  const pushed = await sideBySide(targets, async (target) => {
    await runner.step(`push-${target.name}`, { commit }, (task) =>
      push(project, build, target, { commit, deltas }, task),
    );
    await runner.step(`verify-${target.name}`, { commit }, (task) => verify(project, target, { ref, commit }, task));
    return target;
  });
  if (pushed.results.length > 0) return pushed;
  // What will not pass by itself counts.
  throw pushed.errors.find(({ code }) => code !== 'unwitnessed') ?? pushed.errors[0];
}
