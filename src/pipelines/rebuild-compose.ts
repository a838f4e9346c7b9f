import { join } from 'node:path';
import { type ComposeRebuild, differingImages } from '../attest/compose-rebuild.ts';
import { writeJson } from '../base/files.ts';
import { VERSION } from '../base/version.ts';
import { contentChecksumOf } from '../ostree/objects.ts';
import { ostreeVersion } from '../programs/ostree.ts';
import { buildFolder } from '../published/paths.ts';
import type { Runner } from '../run/runner.ts';
import { sameProvenance, treefileProvenance } from '../steps/compose/provenance-request.ts';
import type { OwnedChange } from '../steps/promote/path-owners.ts';
import { treefileOverStore } from '../steps/promote/treefile-over-store.ts';
import { comparePublished } from '../steps/recompose/compare-published.ts';
import type { BuildPlace } from '../steps/recompose/published-build.ts';
import { pullIds, pullPublished } from '../steps/recompose/published-commit.ts';
import { imageKeys, isReproducible, publishedImages } from '../steps/recompose/published-images.ts';
import { publishedPackages } from '../steps/recompose/published-packages.ts';
import { publishedRepositories } from '../steps/recompose/published-repositories.ts';
import { engineOf, recompose } from '../steps/recompose/recompose.ts';
import { planRecompose, type RecomposePlan } from '../steps/recompose/recompose-plan.ts';
import { unpackTreefile } from '../steps/recompose/unpack-treefile.ts';
import { rebuildImages } from './rebuild-images.ts';

/** What is composed again, and with what. */
export interface RebuildRequest {
  readonly place: BuildPlace;
  /** Where the nightly builds are that promotions were made of. */
  readonly nights: BuildPlace;
  /** Folder that keeps packages and objects between runs. */
  readonly work: string;
  /** `.repo` files of this host. */
  readonly repos: readonly string[];
  /** Whether images are made again, too, and the folder with types that do not come with the program. */
  readonly images?: { readonly types: string | undefined } | undefined;
}

/** What came of it, but for who says so. */
export interface Rebuilt {
  readonly found: Omit<ComposeRebuild, 'rebuilder'>;
  /** All that differs. */
  readonly differences: readonly OwnedChange[];
  /** Types of images that cannot be compared: XFS is not the same each time. */
  readonly notCompared: readonly string[];
}

/** A statement need not hold tens of thousands of paths; differences.json has them all. */
const STATED = 50;

/** Composes a published build again from what its target serves to anybody, and compares the trees; a step a line. */
export async function rebuildCompose(
  { place, nights, work, repos: own, images: wanted }: RebuildRequest,
  runner: Runner,
): Promise<Rebuilt> {
  const startedOn = new Date().toISOString();
  const plan = await runner.step('records', {}, (task) => planRecompose(place, nights, task));
  const { build, source, night, top, swap } = plan;
  const { arch } = place;
  // Before the hours of a compose: what cannot be made again here is known by now.
  const known = wanted && (await runner.step('image-types', {}, () => openImages(build, place, wanted.types)));
  const [cacheDir, scratchDir] = [join(work, 'cache'), join(work, 'scratch')];
  const pullTo = { repo: join(work, 'repo'), gpgKeys: place.trust.gpgKeys };
  const { published, timestamp, parent } = await runner.step('commit', {}, async (task) => {
    const { rootTree, rootMeta } = await pullPublished(build, pullTo, task);
    const dated = await pullPublished(night, pullTo, task);
    const ids = await pullIds({ ...night, parent: dated.parent }, pullTo, nights.files, task);
    return { published: contentChecksumOf(rootTree, rootMeta), timestamp: dated.timestamp, parent: ids };
  });
  const { lockfile, provenance } = source;
  const folder = join(work, 'treefile');
  const treefile = await runner.step('treefile', {}, () => unpackTreefile(source.treefile, { folder, top, arch }));
  const store = await runner.step('packages', {}, async (task) => {
    const repos = await publishedRepositories(treefile, { folder, members: source.treefile, own });
    return publishedPackages({ lockfile, provenance, repos, cacheDir, scratchDir }, task);
  });
  const engine = await engineOf(night.meta);
  const composed = await runner.step('compose', {}, async (task) =>
    recompose(
      engine,
      {
        treefile: await treefileOverStore({ treefile, store, folder: join(scratchDir, 'treefile'), swap }),
        provenance: sameProvenance(provenance, await treefileProvenance(folder, top, arch)),
        version: source.meta.buildid,
        ref: build.meta.ref,
        ...{ lockfile, timestamp, parent, repo: pullTo.repo, cacheDir, scratchDir },
      },
      task,
    ),
  );
  const { commit, contentChecksum: rebuilt } = composed;
  const here = { ...pullTo, commit, lockfile, dir: join(scratchDir, 'rpmdb') };
  const compare = () => runner.step('compare', {}, (task) => comparePublished(build, here, task));
  const differences = rebuilt === published ? [] : await compare();
  await writeJson(join(work, 'differences.json'), differences);
  const images = known && (await rebuildImages({ build, pullTo, work, keys: known.keys }, known.images, runner));
  const versions = { 'atomic-nightly': VERSION, ostree: await ostreeVersion(), [engine.name]: engine.version };
  const times = { startedOn, finishedOn: new Date().toISOString() };
  return {
    found: { ...outcome(plan, { published, rebuilt, differences, images }), versions, ...times },
    differences,
    notCompared: known?.notCompared ?? [],
  };
}

async function openImages(build: RecomposePlan['build'], { files, trust }: BuildPlace, types: string | undefined) {
  const all = await publishedImages(build, types);
  return {
    images: all.filter(isReproducible),
    notCompared: all.filter((one) => !isReproducible(one)).map(({ type }) => type),
    keys: await imageKeys(build, files, trust.gpgKeys),
  };
}

function outcome(
  { build, source, night }: RecomposePlan,
  {
    published,
    rebuilt,
    differences,
    images,
  }: Pick<ComposeRebuild, 'published' | 'rebuilt'> & {
    readonly differences: readonly OwnedChange[];
    readonly images: ComposeRebuild['images'] | undefined;
  },
): Omit<Rebuilt['found'], 'versions' | 'startedOn' | 'finishedOn'> {
  const { buildid: id, basearch: arch, stream, ref } = build.meta;
  const paths = differences
    .slice(0, STATED)
    .map(({ path, kind, owner }) => ({ path, kind, ...(owner !== undefined && { package: owner }) }));
  const inputsOf = (one: RecomposePlan['build']) =>
    one.inputs.map(({ name, digest }) => ({ name: `${buildFolder(one.meta.buildid, arch)}/${name}`, digest }));
  return {
    build: { id, arch, stream, ref },
    commit: build.commit,
    verdict: rebuilt === published && differingImages(images).length === 0 ? 'identical' : 'differs',
    ...{ published, rebuilt },
    differences: { count: differences.length, paths },
    ...(images && { images }),
    inputs: [...new Set([source, night])].flatMap(inputsOf),
  };
}
