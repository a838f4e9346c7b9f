import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../../base/files.ts';
import type { BuildersConfig } from '../../config/builders.ts';
import type { Config } from '../../config/config.ts';
import { inputsOf } from '../../rebuild/duplicates.ts';
import { jobFolder, jobsWithoutResult, readJob } from '../../rebuild/job.ts';
import { rebuildFolder, resultFolder } from '../../rebuild/rebuild-folder.ts';
import { type RebuildRecords, readRebuildRecords } from '../../rebuild/rebuild-records.ts';
import { type Found, type Garbage, measured, whole } from './garbage.ts';

/** A job that nobody has to have for good. */
interface OldJob {
  readonly job: string;
  /** When it ended or was last given to a machine; seconds since 1970. */
  readonly at: number;
  readonly what: string;
}

/**
 * Finds jobs beyond `builders.keep`, while the lock of rebuilds is held: scratch builds, builds that failed, and jobs that came to no
 * result. Whatever is accepted, waits for another operator, or is in a dispute stays, and so does everything whose record is damaged (I15, I18).
 * @param now seconds since 1970
 * @throws NightlyError `signing` when it cannot be verified what is on record
 */
export async function findOldJobs(
  config: Pick<Config, 'name' | 'work' | 'notify'> & { readonly builders: BuildersConfig },
  now: number,
): Promise<Garbage[]> {
  const { work, builders } = config;
  const folder = rebuildFolder(work);
  const records = builders.statement === undefined ? undefined : await readRebuildRecords(config);
  const jobs = [...endedJobs(records), ...(await unrecordedJobs(folder))].sort((a, b) => b.at - a.at);
  const { jobs: most, ageSeconds } = builders.keep;
  const old = jobs.filter(({ at }, index) => index >= most || now - at > ageSeconds);
  // The folder of a job first: a result that has none any more is found again here, after a kill.
  const found = old.flatMap(({ job, what }): Found[] => [
    whole('job', jobFolder(folder, job), what),
    whole('job', resultFolder(work, job), what),
  ]);
  const there = await Promise.all(found.map(async ({ at }) => (await ifThere(stat(at))) !== undefined));
  return measured(
    work,
    found.filter((_, index) => there[index]),
  );
}

/** Results on record of which nothing is published, and that nobody has to decide about. */
function endedJobs(records: RebuildRecords | undefined): OldJob[] {
  const judged = records?.judged ?? [];
  const needed = new Set(
    judged
      .filter(({ standing }) => standing !== 'scratch' && standing !== 'failed')
      .map(({ result }) => inputsOf(result)),
  );
  const evidence = new Set((records?.disputes ?? []).flatMap(({ one, other }) => [one.job, other.job]));
  return judged.flatMap(({ result, standing }) => {
    const { job, finishedAt: at } = result;
    if (evidence.has(job)) return [];
    if (standing === 'scratch') return [{ job, at, what: 'a scratch build' }];
    // One of a group alone would leave the others waiting for it.
    if (standing === 'failed' && !needed.has(inputsOf(result))) return [{ job, at, what: 'a build that failed' }];
    return [];
  });
}

/** Jobs of which no result is on record. */
async function unrecordedJobs(folder: string): Promise<OldJob[]> {
  const jobs: OldJob[] = [];
  for (const name of await jobsWithoutResult(folder)) {
    const job = await readJob(folder, name).catch(() => undefined);
    const status = await ifThere(stat(join(jobFolder(folder, name), 'job.json')));
    if (job && status) jobs.push({ job: name, at: Math.floor(status.mtimeMs / 1000), what: 'no result is on record' });
  }
  return jobs;
}
