import { NightlyError } from '../base/errors.ts';
import { SUMS } from '../build/build-files.ts';
import type { BuildFailure, BuildMeta } from '../build/build-record.ts';
import { IMAGES } from '../build/build-record-format.ts';
import { readMeta, updateMeta } from '../build/build-store.ts';
import { type Build, isFetched } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { prune } from '../steps/deliver/prune.ts';
import { prunePublished } from '../steps/deliver/prune-targets.ts';
import { checksumsOf, fixedRecords, furtherRecords, readSums, writeSums } from '../steps/deliver/publish-build.ts';
import { areSigned, signFiles } from '../steps/deliver/sign-files.ts';
import { markTested } from '../steps/deliver/tested.ts';
import { pullCommit } from '../steps/images/fetch-build.ts';
import { type ImageSet, openImages } from '../steps/images/images.ts';
import { type ImageResults, type Standing, stateOf, sumsOf, wholeRecord } from '../steps/images/merge-record.ts';
import { missingImages } from '../steps/images/missing-images.ts';
import { publishPart } from '../steps/images/publish-part.ts';
import type { Target } from '../targets/target.ts';
import { guestTests } from './guest-tests.ts';
import { makeImages, sortImages, stateImages } from './make-images.ts';
import type { Delivered, Stopped } from './outcome.ts';
import { putPages } from './put-pages.ts';
import { type Settled, sideBySide } from './side-by-side.ts';
import { smokeTests } from './smoke-tests.ts';

/** A machine's part in the images of a build. */
export interface ImagePart {
  /** Set on the machine that made the commit: the targets that have it, and what failed until then. */
  readonly tree?: { readonly targets: readonly Target[]; readonly failures: readonly BuildFailure[] } | undefined;
  /** Whether other machines make images of the build too, so that the record on the targets is everybody's. */
  readonly share?: ImageShare | undefined;
}

export interface ImageShare {
  /** Image types to make; undefined: all that are missing. */
  readonly only?: readonly string[] | undefined;
}

/**
 * Brings a build's images to people, a step a line: made, tested, signed, sent with the records, and pointed at; whoever
 * finds all tested images there moves the tested ref. One machine does all of it; where several do, each does the same
 * for its share, and merges what it made into the record that all of them have on the targets.
 */
export async function deliverImages(
  project: Project,
  build: Build,
  { tree, share }: ImagePart,
  runner: Runner,
): Promise<Delivered | Stopped> {
  const { stream, signer, testedRef } = project;
  const local = await readMeta(build.paths);
  const commit = local.ostreeCommit ?? '';
  if (isFetched(build.paths))
    await runner.step('pull', { commit }, (task) => pullCommit(project, build, commit, task), again);
  const targets = tree?.targets ?? targetsWith(project, local);
  const set = await openImages(project, build, commit);
  const among = share?.only ?? stream.images;
  const types = share
    ? await runner.step(
        'missing',
        { only: share.only },
        (task) => missingImages(project, build, { set, commit, among, targets }, task),
        again,
      )
    : among;
  const results = await makeAndTest(project, build, { set, commit, types }, runner);
  const failures = [...(tree?.failures ?? []), ...results.failures];
  const ofTree = tree && { ...tree, meta: local, sums: await checksumsOf(build, fixedRecords(build)) };
  const made = sumsOf(results, ofTree?.sums);
  const images = IMAGES.encode(results.images);
  const further = furtherRecords(build);
  if (!share) {
    await updateMeta(build.paths, wholeRecord(results, stream, tree?.failures ?? []));
    await runner.step('checksums', { images, ...further }, () => writeSums(build, made));
  }
  const files = share ? made : await readSums(build);
  // Those of a shared build are signed as they are merged.
  const toSign = share ? files : [...files, ...(await checksumsOf(build, [SUMS]))];
  const names = share ? { sign: 'sign-images', publish: 'share' } : { sign: 'sign-files', publish: 'publish' };
  const { signing } = stream;
  const signed = await sideBySide(signer ? [signer] : [], (one) =>
    runner.step(
      names.sign,
      { images, signing, ...further },
      (task) => signFiles(build, toSign, one, task),
      async () => areSigned(build, toSign),
    ),
  );
  // The tree is out already; images and records whose signatures cannot be had wait for a resume.
  const ready = signed.errors.length === 0 ? targets : [];
  // Record and page of the build name all of them: one that the stream gets later changes both everywhere.
  const reached = ready.map(({ name }) => name);
  const published = await sideBySide(ready, async (target) => {
    const keep = target === targets[0];
    const part = { results, files, templates: set.templates, tree: ofTree, isShared: share !== undefined, keep };
    const standing = await runner.step(
      `${names.publish}-${target.name}`,
      { images, failures, targets: reached, ...further },
      (task) => publishPart(project, build, target, part, task),
      // What others made since is in the record by now; an earlier version recorded nothing.
      async (recorded) => !share && recorded !== undefined,
    );
    if (testedRef !== undefined && standing.passed) {
      await runner.step(`tested-${target.name}`, { commit, testedRef }, (task) =>
        markTested(project, build, target, { commit, testedRef }, task),
      );
    }
    // Pages need the records of all builds, which other machines do not have.
    if (tree) await putPages(project, { of: build.id, inputs: { images, standing, targets: reached } }, target, runner);
    return standing;
  });
  const swept = await sideBySide([project], (here) =>
    runner.step('prune', { images, refused: IMAGES.encode(results.refused) }, (task) => prune(here, task)),
  );
  const pruned = tree ? await pruneTargets(project, commit, runner) : undefined;

  const late = [...swept.failures, ...(pruned?.failures ?? [])];
  const all = [...failures, ...signed.failures, ...published.failures, ...late];
  return outcomeOf(commit, all, published.results[0]);
}

/** Makes images of some types, boots them and runs the tests of the SIG in them, and has those that passed stated. */
async function makeAndTest(
  project: Project,
  build: Build,
  { set, commit, types }: { readonly set: ImageSet; readonly commit: string; readonly types: readonly string[] },
  runner: Runner,
): Promise<ImageResults> {
  const wanted = set.templates.filter(({ name }) => types.includes(name));
  const imaged = await makeImages(build, set, wanted, runner);
  const gated = await smokeTests(project, build, { set, images: imaged.results, commit }, runner);
  const booted = imaged.results.filter(({ name }) => !gated.failed.includes(name));
  const tested = await guestTests(project, build, { set, images: booted, commit }, runner);
  const sorted = sortImages(imaged.results, [...gated.failed, ...tested.failed]);
  const good = imaged.results.filter(({ name }) => name in sorted.images);
  // One whose statement cannot be had waits for a resume, as one without a signature does.
  const stated = await stateImages(project, build, good, runner);
  return {
    types,
    images: sortImages(stated.results, []).images,
    refused: sorted.refused,
    tests: gated.tests,
    failures: [...imaged.failures, ...gated.failures, ...tested.failures, ...stated.failures],
  };
}

/** Returns how a build ended. @param standing of it on a target; without one no target could be reached, and the failures say so */
function outcomeOf(
  commit: string,
  failures: readonly BuildFailure[],
  standing: Standing | undefined,
): Delivered | Stopped {
  if (failures.length > 0 || !standing) return { state: stateOf(failures), commit, failures };
  if (standing.state === 'complete') return { state: 'complete', commit, failures };
  return { state: 'stopped', after: 'push', commit, left: standing.left, failures: standing.failures };
}

/** Never counts a result as current: it depends on what other machines do meanwhile. */
const again = async () => false;

/**
 * Returns the targets that have the commit of a build: the others get no images of it.
 * @throws NightlyError `usage` when there is none.
 */
function targetsWith({ stream, targets }: Project, { buildid: id, published = [] }: BuildMeta): readonly Target[] {
  const reached = targets.filter(({ name }) => published.includes(name));
  if (reached.length > 0) return reached;
  throw new NightlyError('usage', `Build ${id} is published on no target of stream "${stream.name}".`, {
    hint: `Run "atomic-nightly resume ${id}" where it was made.`,
  });
}

function pruneTargets(project: Project, commit: string, runner: Runner): Promise<Settled<void>> {
  return sideBySide(
    project.targets.filter(({ name }) => project.config.targets[name]?.retention),
    (target) => runner.step(`prune-${target.name}`, { commit }, (task) => prunePublished(project, target, task)),
  );
}
