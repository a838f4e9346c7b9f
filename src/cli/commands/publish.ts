import { planBuildPublish, type TargetPlan } from '../../pipelines/plan-build.ts';
import { buildWithCommit, goOn } from '../go-on.ts';
import { preparationTask, type RunCommandOptions, withLockedBuild } from '../open-run.ts';
import { type Printer, printJson } from '../print.ts';

export interface PublishCommandOptions extends RunCommandOptions {
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * `atomic-nightly publish [BUILD]`: sends a build to those targets of its stream that do not have it, for instance one
 * that was added to the configuration since. Gives the exit code.
 */
export async function runPublish(
  id: string | undefined,
  options: PublishCommandOptions,
  print: Printer,
): Promise<number> {
  if (!options.dryRun) return goOn('publish', id, options, print);
  const stored = await buildWithCommit(options.config, id);
  const { meta } = stored;
  const commit = meta['ostree-commit'] ?? '';
  return withLockedBuild(options, stored, 'publish', async (project) => {
    const plans = await planBuildPublish(project, stored, commit, preparationTask(project, options.signal));
    if (options.json) printJson({ build: meta.buildid, commit, targets: plans }, print);
    else for (const plan of plans) print(planLines(plan).join('\n'));
    return plans.some((plan) => 'refused' in plan) ? 1 : 0;
  });
}

function planLines(plan: TargetPlan): string[] {
  if ('refused' in plan) return [`${plan.target}: would be refused`, `  ${plan.refused}`];
  const { target, ref, from, to, phases, files, bytes, deletions, 'prune-refused': unpruned } = plan;
  const removed =
    unpruned !== undefined
      ? [`  its retention would remove nothing: ${unpruned}`]
      : deletions === undefined || deletions.files === 0
        ? []
        : [`  ${'removed'.padEnd(8)} ${String(deletions.files).padStart(7)} files ${mb(deletions.bytes)} (retention)`];
  if (from === to) return [`${target}: has ${short(to)} at ${ref}; no ref would move`, ...removed];
  return [
    `${target}: ${ref} from ${from === undefined ? 'nothing (a new ref)' : short(from)} to ${short(to)}`,
    ...phases.map((phase) => `  ${phase.name.padEnd(8)} ${String(phase.files).padStart(7)} files ${mb(phase.bytes)}`),
    `  ${'in all'.padEnd(8)} ${String(files).padStart(7)} files ${mb(bytes)}`,
    ...removed,
  ];
}

const short = (commit: string): string => commit.slice(0, 12);
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1).padStart(9)} MB`;
