import type { BuildMeta } from './build-record.ts';
import type { StoredBuild } from './build-store.ts';
import { promotionsOf } from './promotions.ts';

/** What became of a night, or what a promotion became: told with a build, not kept in its record. */
export interface PromotedTo {
  readonly build: string;
  readonly stream: string;
  readonly state: string;
  readonly attempt: number;
  readonly released: boolean;
  readonly 'superseded-by'?: string;
}

/** Returns what a night was promoted to, newest first. @param stateOf how a build stands now */
export function promotedTo<Build extends Pick<StoredBuild, 'meta'>>(
  builds: readonly Build[],
  night: string,
  stateOf: (build: Build) => string,
): PromotedTo[] {
  return promotionsOf(builds, night).map((build) => {
    const { meta } = build;
    const later = meta.supersededBy;
    return {
      build: meta.buildid,
      stream: meta.stream,
      state: stateOf(build),
      attempt: meta.promotion?.attempt ?? 1,
      released: isReleased(meta),
      ...(later === undefined ? {} : { 'superseded-by': later }),
    };
  });
}

/** One of them for people: `20261121_03 (release, attempt 2, complete)`. */
export function promotedText({ build, stream, state, attempt, released, ...rest }: PromotedTo): string {
  const how = released
    ? 'released'
    : rest['superseded-by'] === undefined
      ? state
      : `superseded by ${rest['superseded-by']}`;
  return `${build} (${stream}, attempt ${attempt}, ${how})`;
}

/** Returns how many of the images that were booted came up: `2/3`; undefined for a build without smoke tests. */
export function testsText(meta: BuildMeta): string | undefined {
  const tests = meta.smokeTests;
  if (tests === undefined) return undefined;
  const passed = Object.keys(tests).length;
  return `${passed}/${passed + Object.keys(meta.refusedImages ?? {}).length}`;
}

/** Whether every image that a stream wants tested has booted, and none was refused for another test. */
export function wasTested(
  { smokeTest }: { readonly smokeTest: false | { readonly images: readonly string[] } },
  { smokeTests = {}, refusedImages = {} }: Pick<BuildMeta, 'smokeTests' | 'refusedImages'>,
): boolean {
  if (smokeTest === false || Object.keys(refusedImages).length > 0) return false;
  return smokeTest.images.every((name) => Object.hasOwn(smokeTests, name));
}

/** Seconds since a build was begun. */
export function ageOf(meta: BuildMeta, now = Date.now()): number {
  return Math.max(0, Math.floor((now - Date.parse(meta.ostreeTimestamp)) / 1000));
}

/** Returns a build still marked as running although nobody has the lock was killed. */
export function currentState({ meta }: Pick<StoredBuild, 'meta'>, lockHeld: boolean): string {
  const state = meta.state;
  return state === 'running' && !lockHeld ? 'interrupted' : state;
}

/** Whether a build is a release that nobody took back. */
export function isReleased(meta: BuildMeta): boolean {
  const release = meta.release;
  return release !== undefined && release.withdrawn === undefined;
}
