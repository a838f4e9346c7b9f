import type { StoredBuild } from './build-store.ts';

/** Returns the promotions of a night, newest first; of all release streams unless one is named. */
export function promotionsOf<Build extends Pick<StoredBuild, 'meta'>>(
  builds: readonly Build[],
  night: string,
  stream?: string,
): Build[] {
  return builds.filter(({ meta }) => meta.promotion?.of === night && (stream === undefined || meta.stream === stream));
}

/** Returns the newest release of a stream that was not withdrawn; of any stream unless one is named. */
export function lastRelease<Build extends Pick<StoredBuild, 'meta'>>(
  builds: readonly Build[],
  stream?: string,
): Build | undefined {
  return builds.find(({ meta }) => {
    const release = meta.release;
    return release !== undefined && release.withdrawn === undefined && (stream === undefined || meta.stream === stream);
  });
}

/** Earlier promotions of a night that a new one takes the place of: all that were not released. */
export function supersededBy(builds: readonly StoredBuild[], night: string, stream: string): StoredBuild[] {
  return promotionsOf(builds, night, stream).filter(({ meta }) => meta.release === undefined);
}

/** The build that a stream's release ref names for its users: the newest release, or what took the place of one. */
export function releasedHead(builds: readonly StoredBuild[], stream: string): StoredBuild | undefined {
  return builds.find(({ meta }) => {
    const withdrawn = meta.withdrawal !== undefined && meta.state === 'complete';
    return meta.stream === stream && (withdrawn || meta.release !== undefined);
  });
}
