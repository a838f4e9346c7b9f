import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import type { BuildFailure } from '../build/build-record.ts';
import { IMAGES } from '../build/build-record-format.ts';
import { readMeta } from '../build/build-store.ts';
import { signatureName } from '../published/paths.ts';
import { type Build, isFetched } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { prune } from '../steps/deliver/prune.ts';
import { checksumsOf, fixedRecords } from '../steps/deliver/publish-build.ts';
import { signEach } from '../steps/deliver/sign-files.ts';
import { markTested } from '../steps/deliver/tested.ts';
import { pullCommit } from '../steps/images/fetch-build.ts';
import { openImages } from '../steps/images/images.ts';
import { type ImageResults, stateOf, type TreeResults } from '../steps/images/merge-record.ts';
import { missingImages } from '../steps/images/missing-images.ts';
import { publishShare } from '../steps/images/publish-share.ts';
import type { Target } from '../targets/target.ts';
import { makeImages, sortImages } from './make-images.ts';
import type { Delivered, Stopped } from './outcome.ts';
import { sideBySide } from './side-by-side.ts';
import { smokeTests } from './smoke-tests.ts';

export interface ImageShare {
  /** Image types to make; undefined: all that are missing. */
  readonly only?: readonly string[];
  /** On the machine that made the commit: the targets that have it, and what failed until then. */
  readonly tree?: { readonly targets: readonly Target[]; readonly failures: readonly BuildFailure[] } | undefined;
}

/**
 * Returns a machine's share of a build's images, a step a line: made, tested, signed, sent, and merged into the record
 * that all machines share; whoever finds all tested images there moves the tested ref.
 */
export async function shareImages(
  project: Project,
  build: Build,
  { only, tree }: ImageShare,
  runner: Runner,
): Promise<Delivered | Stopped> {
  const { stream, signer, testedRef } = project;
  const local = await readMeta(build.paths);
  const commit = local.ostreeCommit ?? '';
  const again = async () => false;
  if (isFetched(build.paths))
    await runner.step('pull', { commit }, (task) => pullCommit(project, build, commit, task), again);
  // A target that does not have the commit gets no images of it.
  const published = local.published ?? [];
  const reached = tree?.targets ?? project.targets.filter(({ name }) => published.includes(name));
  if (reached.length === 0) {
    throw new NightlyError('usage', `Build ${build.id} is published on no target of stream "${stream.name}".`, {
      hint: `Run "atomic-nightly resume ${build.id}" where it was made.`,
    });
  }
  const set = await openImages(project, build, commit);
  const types = await runner.step(
    'missing',
    { only },
    (task) => missingImages(project, build, { set, commit, among: only ?? stream.images, targets: reached }, task),
    again,
  );
  const wanted = set.templates.filter(({ name }) => types.includes(name));
  const imaged = await makeImages(build, set, wanted, runner);
  const gated = await smokeTests(project, build, { set, images: imaged.results, commit }, runner);
  const results: ImageResults = {
    types,
    ...sortImages(imaged.results, gated.failed),
    tests: gated.tests,
    failures: [...imaged.failures, ...gated.failures],
  };
  const ofTree: TreeResults | undefined = tree && {
    meta: local,
    failures: tree.failures,
    sums: await checksumsOf(build, fixedRecords(build)),
  };
  const files = [...(ofTree?.sums ?? []), ...Object.values(results.images)];
  const names = files.map(({ path }) => path);
  const signed = await sideBySide(signer ? [signer] : [], (one) =>
    runner.step(
      'sign-images',
      { files: [...(ofTree?.sums ?? []), ...Object.values(IMAGES.encode(results.images))] },
      (task) => signEach(build, files, one, task),
      async () => names.every((name) => existsSync(join(build.paths.dir, signatureName(name)))),
    ),
  );
  // What cannot be signed is shown to nobody.
  const targets = signed.errors.length === 0 ? reached : [];
  const shared = await sideBySide(targets, async (target) => {
    const keep = target === targets[0];
    const request = { results, set, keep, tree: ofTree };
    const standing = await runner.step(
      `share-${target.name}`,
      { results },
      (task) => publishShare(project, build, target, request, task),
      again,
    );
    if (testedRef !== undefined && standing.passed) {
      await runner.step(`tested-${target.name}`, { commit, testedRef }, (task) =>
        markTested(project, build, target, { commit, testedRef }, task),
      );
    }
    return standing;
  });
  await runner.step('prune', { images: results.images, refused: results.refused }, (task) => prune(project, task));
  const failures = [...(tree?.failures ?? []), ...results.failures, ...signed.failures, ...shared.failures];
  const [standing] = shared.results;
  // Without a standing no target could be reached, and the failures say so.
  if (failures.length > 0 || !standing) return { state: stateOf(failures), commit, failures };
  if (standing.state === 'complete') return { state: 'complete', commit, failures };
  return { state: 'stopped', after: 'push', commit, left: standing.left, failures: standing.failures };
}
