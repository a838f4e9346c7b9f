import { formatBytes } from '../../base/format.ts';
import { tableLines } from '../../base/table.ts';
import { planBuildPublish, type TargetPlan } from '../../pipelines/plan-build.ts';
import { defineCommand, usageError } from '../define.ts';
import { buildWithCommit, continueBuild } from '../go-on.ts';
import { flag, optional, text } from '../inputs.ts';
import { preparationTask, withLockedBuild } from '../open-run.ts';
import { printJson } from '../print.ts';
import { reconcileTargets } from '../reconcile.ts';

/**
 * `atomic-nightly publish [BUILD]`: sends a build to those targets of its stream that do not have it, for instance one
 * that was added to the configuration since. Gives the exit code.
 */
export const publish = defineCommand({
  name: 'publish',
  section: 'Targets',
  summary: 'send a build to the targets of its stream that do not have it yet; or repair a target',
  arguments: { build: optional('BUILD', 'build id; default: the newest with a commit', 'build') },
  options: {
    dryRun: flag('print what each target has, what would be sent, moved and removed; change nothing'),
    reconcile: flag('compare targets with the work folder, and send again what is lost or damaged there'),
    target: text('NAME', 'with --reconcile: only this target', { completes: 'target' }),
    checksums: flag('with --reconcile: read everything back and compare contents, not only sizes'),
    signBuilds: flag('with --reconcile: add signatures of newer keys to commits and files of earlier builds'),
    json: flag('the plan or the result for scripts, on standard output'),
  },
  examples: [
    'atomic-nightly publish --dry-run',
    'atomic-nightly publish 20261121_01      (after adding a target)',
    'atomic-nightly publish --reconcile --target mirror --dry-run',
  ],
  interruptible: true,
  async run({ build: id, reconcile, dryRun, json, ...how }, context) {
    if (reconcile) {
      if (id !== undefined) throw usageError('publish', '--reconcile looks at whole targets and takes no BUILD.');
      return reconcileTargets({ ...how, dryRun, json }, context);
    }
    if (how.target !== undefined || how.checksums || how.signBuilds) {
      throw usageError('publish', '--target, --checksums and --sign-builds go with --reconcile.');
    }
    if (!dryRun) return continueBuild('publish', id, json, context);
    const { print } = context;
    const stored = await buildWithCommit(context.config, id);
    const { meta } = stored;
    const commit = meta.ostreeCommit ?? '';
    return withLockedBuild(context, stored, 'publish', async (project) => {
      const plans = await planBuildPublish(project, stored, commit, preparationTask(project, context.signal));
      if (json) printJson({ build: meta.buildid, commit, targets: plans }, print);
      else for (const plan of plans) print(planLines(plan).join('\n'));
      return plans.some((plan) => 'refused' in plan) ? 1 : 0;
    });
  },
});

const HEADER = ['PHASE', 'FILES', 'SIZE'];

function planLines(plan: TargetPlan): string[] {
  if ('refused' in plan) return [`${plan.target}: would be refused`, `  ${plan.refused}`];
  const { target, ref, from, to, phases, files, bytes, deletions, 'prune-refused': unpruned } = plan;
  const stays = unpruned === undefined ? [] : [`  its retention would remove nothing: ${unpruned}`];
  const gone =
    unpruned === undefined && deletions && deletions.files > 0 ? [{ name: 'removed (retention)', ...deletions }] : [];
  const rows = from === to ? gone : [...phases, { name: 'in all', files, bytes }, ...gone];
  const cells = rows.map((row) => [row.name, String(row.files), formatBytes(row.bytes)]);
  const table = cells.length === 0 ? [] : tableLines([HEADER, ...cells]).map((line) => `  ${line}`);
  if (from === to) return [`${target}: has ${short(to)} at ${ref}; no ref would move`, ...table, ...stays];
  const moved = `${target}: ${ref} from ${from === undefined ? 'nothing (a new ref)' : short(from)} to ${short(to)}`;
  return [moved, ...table, ...stays];
}

const short = (commit: string): string => commit.slice(0, 12);
