import { asNightlyError } from '../../base/as-nightly-error.ts';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { formatBytes, formatCount } from '../../base/format.ts';
import { writeLine } from '../../base/output.ts';
import { tableLines } from '../../base/table.ts';
import type { Config, TargetConfig } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { totalOf } from '../../publish/prune/prune-plan.ts';
import { type PruneReport, type ReportedCommit, reportPrune } from '../../publish/prune/prune-report.ts';
import { takeRunLock } from '../../run/run-lock.ts';
import { targetsNamed } from '../../run/streams-on.ts';
import { pruneConfigured, pruneLocalRepo } from '../../steps/deliver/prune-targets.ts';
import { openTarget } from '../../targets/open-target.ts';
import { defineCommand } from '../define.ts';
import { flag, optional } from '../inputs.ts';
import { formatError, type Printer, printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/**
 * `atomic-nightly prune [TARGET]`: removes from targets what their retention does not keep, then from the local
 * repository what no target has any more. A target that cannot be pruned does not stop the others. Gives the exit code.
 */
export const prune = defineCommand({
  name: 'prune',
  section: 'Targets',
  summary: 'delete from targets what their retention no longer keeps, after its grace period',
  arguments: {
    target: optional('TARGET', 'target of the configuration; default: every one with a retention', 'target'),
  },
  options: {
    dryRun: flag('print what stays and why, what would be deleted, and the bytes that frees; change nothing'),
    json: flag('for scripts'),
  },
  notes:
    'The first prune that no longer keeps a commit retires it; a later one, after the grace period, deletes it.\n' +
    'A ref without a policy stops it before anything is removed.',
  examples: [
    'atomic-nightly prune --dry-run',
    'atomic-nightly prune buildlogs',
    'atomic-nightly prune --dry-run --json | jq ".targets[].removed"',
  ],
  interruptible: true,
  async run({ target: named, dryRun, json }, context) {
    const config = await loadConfig(context.config);
    const targets = targetsToPrune(config, named);
    const { print } = context;
    await makeFolder(config.work);
    const lock = await takeRunLock(config.work, `prune ${named ?? ''}`.trim());
    try {
      return await withSteps(config.work, context, async (runner) => {
        const reports: PruneReport[] = [];
        const errors: NightlyError[] = [];
        const wouldGo = new Map<string, Set<string>>();
        for (const target of targets) {
          const { name, retention } = target;
          try {
            const result = await runner.step(`prune-${name}`, {}, (task) =>
              pruneConfigured(config, openTarget(target), { dryRun }, task),
            );
            if (retention) reports.push(reportPrune(name, result, { retention, tagged: result.tagged }));
            if (dryRun) wouldGo.set(name, new Set(result.plan.decision.goes.keys()));
          } catch (error) {
            context.signal.throwIfAborted();
            errors.push(asNightlyError(error));
          }
        }
        const [first, ...others] = errors;
        const local = first
          ? undefined
          : await runner.step('prune-local', {}, (task) => pruneLocalRepo(config, { dryRun, wouldGo }, task));
        if (json) printJson({ dryRun, targets: reports, ...(local ? { local } : {}) }, print);
        else printReports(reports, local, dryRun, print);
        for (const error of others) writeLine(process.stderr, formatError(error));
        if (first) throw first;
        return 0;
      });
    } finally {
      await lock.release();
    }
  },
});

function targetsToPrune(config: Config, name: string | undefined): TargetConfig[] {
  if (name !== undefined) return targetsNamed(config, name);
  const targets = Object.values(config.targets).filter(({ retention }) => retention);
  if (targets.length > 0) return targets;
  throw new NightlyError('config', 'No target has a retention, so nothing is ever removed.', {
    hint: `Say in targets.${Object.keys(config.targets)[0]}.retention what stays, for instance: refs: {'*': {depth: 30}}`,
    place: config.placeOf('targets'),
  });
}

type Local = Awaited<ReturnType<typeof pruneLocalRepo>>;

function printReports(
  reports: readonly PruneReport[],
  local: Local | undefined,
  dryRun: boolean,
  print: Printer,
): void {
  const did = dryRun ? 'would remove' : 'removed';
  for (const { target, refs, removed, unlisted, later } of reports) {
    print(`Target ${target}:`);
    for (const { ref, commits } of refs) {
      print(`  ${ref}`);
      const rows = commits.map((commit) => commitCells(commit, dryRun));
      if (rows.length > 0) for (const line of tableLines([COMMITS, ...rows])) print(`    ${line}`);
    }
    const total = totalOf(removed);
    print(`  ${did} ${formatCount(total.files, 'file')}, ${formatBytes(total.bytes)}`);
    const rows = removed.map(({ name, files, bytes }) => [name, String(files), formatBytes(bytes)]);
    if (rows.length > 0) for (const line of tableLines([REMOVED, ...rows])) print(`    ${line}`);
    if (unlisted.length > 0) print(`  the index no longer names ${unlisted.join(', ')}`);
    if (later && later.files > 0) {
      print(`  once all that is given up has gone: ${formatCount(later.files, 'object')}, ${formatBytes(later.bytes)}`);
    }
  }
  if (local && local.commits.length > 0) {
    print(
      `Local repository: ${did} ${formatCount(local.commits.length, 'commit')}, ${formatCount(local.files, 'file')}, ${formatBytes(local.bytes)}`,
    );
  }
}

const COMMITS = ['VERSION', 'COMMIT', 'STATE'];
const REMOVED = ['WHAT', 'FILES', 'SIZE'];

function commitCells(reported: ReportedCommit, dryRun: boolean): readonly string[] {
  const { commit, version, date } = reported;
  return [version ?? date, commit.slice(0, 12), stateOf(reported, dryRun)];
}

function stateOf({ state, why, tags = [], due }: ReportedCommit, dryRun: boolean): string {
  switch (state) {
    case 'kept':
      return `stays: ${why.map((one) => (one === 'build-tag' ? `tag ${tags.join(', ')}` : one)).join(', ')}`;
    case 'given-up':
      return `given up, goes after ${due}`;
    case 'removed':
      return dryRun ? 'goes now' : 'gone';
  }
}
