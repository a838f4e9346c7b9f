import { surveyBuilds } from '../build/build-store.ts';
import { surveyTags } from '../build/build-tags.ts';
import type { Config } from '../config/config.ts';
import type { CheckResult } from './doctor-check.ts';

/** Whether every record of builds and tags in the work folder can be read; each that cannot is named, and no hindrance to anything else. */
export async function checkRecords({ work }: Config): Promise<CheckResult[]> {
  const { builds, damaged: broken } = await surveyBuilds(work);
  const damaged = [...broken, ...(await surveyTags(work)).damaged];
  if (builds.length + damaged.length === 0) return [];
  const name = 'records of builds';
  if (damaged.length === 0) return [{ name, state: 'ok', detail: `${builds.length} can be read` }];
  return damaged.map(({ error }) => ({ name, state: 'note' as const, detail: error.message }));
}
