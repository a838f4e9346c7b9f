import type { SmokeResult } from '../../boot/image-smoke-test.ts';
import type { BuildFailure, BuildMeta } from '../../build/build-record.ts';
import type { BuildState } from '../../build/outcomes.ts';
import type { StreamConfig } from '../../config/config.ts';
import type { ImageFile } from '../../images/image.ts';
import type { Summed } from '../../published/sha256sums.ts';
import { frozenError, refuseRetractedMeta } from '../../run/build.ts';
import type { SharedRecord } from './shared-record.ts';

/** What a machine made of a build's images. */
export interface ImageResults {
  /** The types it worked on. */
  readonly types: readonly string[];
  /** By type: those that are to be published, and those that did not come up. */
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
  { types, images, refused, tests, failures }: ImageResults,
  { images: order, smokeTest }: Images,
  tree?: TreeResults,
): SharedRecord {
  refuseRetractedMeta(base);
  if (base.release) throw frozenError(base.buildid);
  const merged = <Value>(old: Readonly<Record<string, Value>> | undefined, made: Readonly<Record<string, Value>>) => {
    const all = { ...Object.fromEntries(Object.entries(old ?? {}).filter(([type]) => !types.includes(type))), ...made };
    const inOrder = [...order, ...Object.keys(all)].filter((type) => type in all);
    return Object.fromEntries(inOrder.map((type) => [type, all[type]])) as Record<string, Value>;
  };
  const imagesNow = merged(base.images, images);
  const refusedNow = merged(base.refusedImages, refused);
  const old = base.failures ?? [];
  const ofTree = tree?.failures ?? old.filter(({ step }) => typeOf(step) === undefined);
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
  const meta: BuildMeta = {
    ...base,
    ...tree?.meta,
    images: imagesNow,
    state: stateOf(failuresNow, pending),
    failures: failuresNow,
    pendingImages: pending,
    ...(smokeTest === false
      ? {}
      : {
          smokeTests: merged(base.smokeTests, tests),
          refusedImages: refusedNow,
        }),
  };
  const gone = new Set(types.flatMap((type) => base.images?.[type]?.path ?? []));
  const added = [...(tree?.sums ?? []), ...Object.values(images).map(({ sha256, path }) => ({ sha256, path }))];
  const paths = new Set([...gone, ...added.map(({ path }) => path)]);
  return { meta, sums: [...sums.filter(({ path }) => !paths.has(path)), ...added] };
}

/** Returns how a build stands by what failed of it and what is still to be made. */
export function stateOf(
  failures: readonly BuildFailure[],
  pending: readonly string[] = [],
): Extract<BuildState, 'complete' | 'incomplete' | 'gate-failed'> {
  if (failures.length === 0) return pending.length === 0 ? 'complete' : 'incomplete';
  return failures.every(({ code }) => code === 'gate-failed') ? 'gate-failed' : 'incomplete';
}

/** Image types that a build has no good image of. */
export function missingTypes(meta: BuildMeta, order: readonly string[]): string[] {
  return order.filter((type) => meta.images?.[type] === undefined);
}

/** Whether every image that the stream wants tested came up. */
export function passedGate(meta: BuildMeta, { smokeTest }: Images): boolean {
  const tests = meta.smokeTests ?? {};
  return smokeTest !== false && smokeTest.images.every((type) => type in tests && meta.images?.[type] !== undefined);
}

/** Returns the image type that a step works on; undefined for other steps. */
function typeOf(step: string): string | undefined {
  return /^(?:image|smoke-test)-(.+)$/.exec(step)?.[1];
}
