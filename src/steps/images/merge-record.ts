import type { SmokeResult } from '../../boot/image-smoke-test.ts';
import type { BuildFailure, BuildMeta } from '../../build/build-record.ts';
import type { BuildState } from '../../build/outcomes.ts';
import type { StreamConfig } from '../../config/config.ts';
import { filesOfImage, type ImageFile } from '../../images/image.ts';
import type { Summed } from '../../published/sha256sums.ts';
import { frozenError, refuseRetractedMeta } from '../../run/build.ts';
import type { SharedRecord } from './shared-record.ts';

/** What a machine made of a build's images. */
export interface ImageResults {
  /** The types it worked on. */
  readonly types: readonly string[];
  /** Keyed by type: images that are to be published, and those that did not boot. */
  readonly images: Readonly<Record<string, ImageFile>>;
  readonly refused: Readonly<Record<string, ImageFile>>;
  readonly tests: Readonly<Record<string, SmokeResult>>;
  readonly failures: readonly BuildFailure[];
}

/** What only the machine knows that made a build's commit: whatever a record says that is not about images. */
export interface TreeResults {
  readonly meta: BuildMeta;
  readonly failures: readonly BuildFailure[];
  /** Checksums of the records that do not change. */
  readonly sums: readonly Summed[];
}

type Images = Pick<StreamConfig, 'images' | 'smokeTest'>;

/**
 * Returns the record of a build with what a machine made of its images in it; what others made of other types stays.
 * The state follows from all of it.
 * @throws NightlyError `usage` when the build is released, or was taken back.
 */
export function mergeRecord(
  { meta: base, sums }: SharedRecord,
  results: ImageResults,
  images: Images,
  tree?: TreeResults,
): SharedRecord {
  refuseRetractedMeta(base);
  if (base.release) throw frozenError(base.buildid);
  const meta: BuildMeta = { ...base, ...tree?.meta, ...valuesOf(base, results, images, tree?.failures) };
  const gone = results.types.flatMap((type) => {
    const image = base.images?.[type];
    return image ? filesOfImage(image).map(({ path }) => path) : [];
  });
  const added = sumsOf(results, tree?.sums);
  const paths = new Set([...gone, ...added.map(({ path }) => path)]);
  return { meta, sums: [...sums.filter(({ path }) => !paths.has(path)), ...added] };
}

/**
 * Returns what a record says of images that one machine makes: its share is all there is, nothing of earlier attempts stays,
 * and nothing is left to others.
 */
export function wholeRecord(
  results: ImageResults,
  images: Images,
  failures: TreeResults['failures'],
): Partial<BuildMeta> {
  const { pendingImages: _, ...values } = valuesOf({}, results, images, failures);
  return values;
}

/** Checksums of what a machine adds to a build. */
export function sumsOf({ images }: ImageResults, ofTree: readonly Summed[] = []): Summed[] {
  return [
    ...ofTree,
    ...Object.values(images)
      .flatMap(filesOfImage)
      .map(({ sha256, path }) => ({ sha256, path })),
  ];
}

type Merged = Pick<BuildMeta, 'images' | 'refusedImages' | 'smokeTests' | 'failures'>;

/** @param treeFailures of the machine that made the commit; others leave what the record says */
function valuesOf(
  base: Merged,
  { types, images, refused, tests, failures }: ImageResults,
  { images: order, smokeTest }: Images,
  treeFailures?: readonly BuildFailure[],
) {
  const merged = <Value>(old: Readonly<Record<string, Value>> | undefined, made: Readonly<Record<string, Value>>) => {
    const all = { ...Object.fromEntries(Object.entries(old ?? {}).filter(([type]) => !types.includes(type))), ...made };
    const inOrder = [...order, ...Object.keys(all)].filter((type) => type in all);
    return Object.fromEntries(inOrder.map((type) => [type, all[type]])) as Record<string, Value>;
  };
  const imagesNow = merged(base.images, images);
  const refusedNow = merged(base.refusedImages, refused);
  const old = base.failures ?? [];
  const ofTree = treeFailures ?? old.filter(({ step }) => typeOf(step) === undefined);
  const ofOthers = old.filter(({ step }) => {
    const type = typeOf(step);
    return type !== undefined && !types.includes(type);
  });
  const failuresNow = [...ofTree, ...ofOthers, ...failures];
  const tried = new Set([
    ...Object.keys(imagesNow),
    ...Object.keys(refusedNow),
    ...failuresNow.map(({ step }) => typeOf(step)),
  ]);
  const pending = order.filter((type) => !tried.has(type));
  return {
    images: imagesNow,
    state: stateOf(failuresNow, pending),
    failures: failuresNow,
    pendingImages: pending,
    ...(smokeTest === false ? {} : { smokeTests: merged(base.smokeTests, tests), refusedImages: refusedNow }),
  };
}

/** How a build stands once a machine's part is in its record. */
export interface Standing {
  readonly state: ReturnType<typeof stateOf>;
  /** Image types without a good image. */
  readonly left: readonly string[];
  /** Whether every image that the stream wants tested came up. */
  readonly passed: boolean;
  readonly failures: readonly BuildFailure[];
}

/** Returns how a build with this record stands. */
export function standingOf(meta: BuildMeta, stream: Images): Standing {
  const { failures = [], pendingImages = [] } = meta;
  const left = stream.images.filter((type) => meta.images?.[type] === undefined);
  return { state: stateOf(failures, pendingImages), left, passed: passedGate(meta, stream), failures };
}

/** Returns how a build stands by what failed of it and what is still to be made. */
export function stateOf(
  failures: readonly BuildFailure[],
  pending: readonly string[] = [],
): Extract<BuildState, 'complete' | 'incomplete' | 'gate-failed'> {
  if (failures.length === 0) return pending.length === 0 ? 'complete' : 'incomplete';
  return failures.every(({ code }) => code === 'gate-failed') ? 'gate-failed' : 'incomplete';
}

/** Whether every image that the stream wants tested came up. */
function passedGate(meta: BuildMeta, { smokeTest }: Images): boolean {
  const tests = meta.smokeTests ?? {};
  // An image may come up and be refused all the same, for a test of the SIG's own.
  if (smokeTest === false || Object.keys(meta.refusedImages ?? {}).length > 0) return false;
  return smokeTest.images.every((type) => type in tests && meta.images?.[type] !== undefined);
}

/** Returns the image type that a step works on; undefined for other steps. */
function typeOf(step: string): string | undefined {
  return /^(?:image|smoke-test|test|statement)-(.+)$/.exec(step)?.[1];
}
