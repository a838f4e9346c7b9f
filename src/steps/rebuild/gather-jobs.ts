import { NightlyError } from '../../base/errors.ts';
import type { BuildersConfig, MachineConfig } from '../../config/builders.ts';
import { dueDuplicates, mayDuplicate } from '../../rebuild/duplicates.ts';
import { createJob, type OpenJob, readOpenJobs } from '../../rebuild/job.ts';
import type { Waiting } from '../../rebuild/job-queue.ts';
import { rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import type { RebuildResult } from '../../rebuild/result.ts';
import { readKeptResults } from '../../rebuild/result-store.ts';
import { keptSource, type SourcePackage } from '../../rebuild/source-package.ts';

/** A job of this run, with its result where an earlier run was killed before it had told of it. */
export interface GatheredJob {
  readonly waiting: Waiting;
  readonly result: RebuildResult | undefined;
}

export interface JobsRequest {
  readonly work: string;
  readonly builders: BuildersConfig;
  /** The machines of this run. */
  readonly machines: readonly MachineConfig[];
  readonly sources: readonly SourcePackage[];
  readonly scratch: boolean;
  /** Also what was drawn and may begin by then; seconds since 1970. */
  readonly due: number | undefined;
}

/** The architecture that a machine's programs are of. */
export const buildArch = ({ arch }: MachineConfig): string => arch.find((one) => one !== 'noarch') ?? 'x86_64';

/**
 * Returns the jobs of a run: what an earlier one left, or told nobody of, is taken up, by the digest of its source package, and everything
 * else is a new job. What was drawn keeps the job that it was drawn with.
 */
export async function gatherJobs(request: JobsRequest): Promise<GatheredJob[]> {
  const { work, machines, sources, scratch, due } = request;
  const folder = rebuildFolder(work);
  const left = (await readOpenJobs(folder)).filter((one) => mayTakeUp(one, request));
  const jobs: GatheredJob[] = [];
  for (const source of sources) {
    const known = left.filter(({ job }) => job.duplicateOf === undefined && job.scratch === scratch);
    const mine = known.filter(({ job }) => job.source.sha256 === source.sha256);
    // What is nearest to its end.
    const found = mine.find(({ result }) => result) ?? mine.find(({ job }) => job.given) ?? mine[0];
    const job = found?.job ?? (await createJob(folder, source, { scratch }));
    jobs.push(gathered({ source, job, tried: new Map() }, found, machines));
  }
  if (due === undefined) return jobs;
  const { results } = await readKeptResults(work);
  for (const one of dueDuplicates(results).filter(({ notBefore }) => notBefore <= due)) {
    const { of } = one;
    const found = left.find(({ job }) => job.job === one.job);
    const source = await keptSource(folder, of.source.sha256);
    const duplicate = { job: one.job, of: of.job };
    const job = found?.job ?? (await createJob(folder, source, { scratch: false, duplicate }));
    const unfit = machines.filter((machine) => !mayDuplicate(machine, one) || buildArch(machine) !== of.arch);
    const why = new NightlyError(
      'gate-failed',
      'It is of an operator that has built the same, or of another architecture.',
    );
    const tried = new Map(unfit.map(({ name }) => [name, why]));
    jobs.push(gathered({ source, job, tried, root: of.root }, found, machines));
  }
  // A duplicate whose result is on record is not due any more, and still nobody was told.
  const taken = new Set(jobs.map(({ waiting }) => waiting.job.job));
  for (const found of left.filter(({ job, result }) => job.duplicateOf && result && !taken.has(job.job))) {
    const source = await keptSource(folder, found.job.source.sha256);
    jobs.push(gathered({ source, job: found.job, tried: new Map() }, found, machines));
  }
  return jobs;
}

/** A result can be taken up by a run that puts results on record and was not asked for another machine. */
function mayTakeUp({ result }: OpenJob, { builders, machines }: JobsRequest): boolean {
  if (result === undefined) return true;
  return builders.statement !== undefined && machines.some(({ name }) => name === result.builder);
}

function gathered(waiting: Waiting, found: OpenJob | undefined, machines: readonly MachineConfig[]): GatheredJob {
  const { given, attempts } = waiting.job;
  const holder = given && machines.find(({ name }) => name === attempts.at(-1))?.name;
  return { waiting: holder === undefined ? waiting : { ...waiting, holder }, result: found?.result };
}
