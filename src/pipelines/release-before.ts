import { compareBuildIds } from '../build/build-id.ts';
import { type BuildSurvey, insistOnWhole, type StoredBuild } from '../build/build-store.ts';
import { lastRelease } from '../build/promotions.ts';
import type { Config } from '../config/config.ts';

/**
 * Returns the last release before a build: of its own stream, or of one that is fed by it. Undefined where there was none yet.
 * @throws NightlyError `record` when a damaged record may be that release.
 */
export function releaseBefore(
  { streams }: Config,
  survey: BuildSurvey,
  { meta }: StoredBuild,
): StoredBuild | undefined {
  const fed = Object.values(streams).filter(
    ({ name, release }) => name === meta.stream || release?.promotesFrom === meta.stream,
  );
  const isReleasedItself = meta.release !== undefined;
  const others = survey.builds.filter(({ meta: { buildid } }) =>
    isReleasedItself ? compareBuildIds(buildid, meta.buildid) < 0 : buildid !== meta.buildid,
  );
  const found = fed.map(({ name }) => lastRelease(others, name)).find((one) => one !== undefined);
  insistOnWhole(survey, found?.paths.id);
  return found;
}
