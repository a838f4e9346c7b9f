import { parseBuildId } from './build-id.ts';
import type { BuildMeta } from './build-record.ts';
import { type StoredBuild, surveyBuilds } from './build-store.ts';

/** A night that was taken back for what was in it. */
export interface RetractedNight {
  readonly id: string;
  readonly retracted: NonNullable<BuildMeta['retracted']>;
}

/**
 * The night of a stream that was taken back and was made from these packages and this treefile: to build them again
 * would publish it again. One whose only fault was its date does not count, nor does one whose record is damaged: nightly
 * builds go on without it (I15).
 */
export async function retractedWith(
  work: string,
  stream: string,
  inputHash: string,
): Promise<RetractedNight | undefined> {
  const survey = await surveyBuilds(work);
  const builds = survey.builds.filter(({ meta }) => meta.stream === stream);
  const byFuture = new Set(builds.filter(({ meta }) => isDatedAhead(meta)).map(({ meta }) => meta.buildid));
  for (const { meta } of builds) {
    const { buildid: id, retracted } = meta;
    if (retracted && meta.rpmOstreeInputhash === inputHash && !byFuture.has(retracted.by)) return { id, retracted };
  }
  return undefined;
}

/** Whether a build's commit has a later day than its id: ids are always of the day by the clock. */
export function isDatedAhead({ buildid, ostreeTimestamp: time }: BuildMeta): boolean {
  const day = Number(time.slice(0, 10).replaceAll('-', ''));
  return day > (parseBuildId(buildid)?.day ?? day);
}

/** Whether a build got as far as any target. */
export function isPublished({ meta }: StoredBuild): boolean {
  return meta.ostreeCommit !== undefined && (meta.published ?? []).length > 0;
}
