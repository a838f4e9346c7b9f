import { mkdir } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';
import { formatBytes } from '../../base/format.ts';
import type { Config, TargetConfig } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { totalOf } from '../../publish/prune/prune-plan.ts';
import { type PruneReport, type ReportedCommit, reportPrune } from '../../publish/prune/prune-report.ts';
import { takeRunLock } from '../../run/run-lock.ts';
import { asNightlyError } from '../../run/runner.ts';
import { targetsNamed } from '../../run/streams-on.ts';
import { pruneConfigured, pruneLocalRepo } from '../../steps/deliver/prune-targets.ts';
import { openTarget } from '../../targets/open-target.ts';
import { type RunCommandOptions, withSteps } from '../open-run.ts';
import { formatError, type Printer, printJson } from '../print.ts';

export interface PruneCommandOptions extends RunCommandOptions {
  /** Default: every target with a retention. */
  readonly target?: string;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * `atomic-nightly prune [TARGET]`: removes from targets what their retention does not keep, then from the local
 * repository what no target has any more. A target that cannot be pruned does not stop the others. Gives the exit code.
 */
export async function runPrune(options: PruneCommandOptions, print: Printer): Promise<number> {
  const config = await loadConfig(options.config);
  const targets = targetsToPrune(config, options.target);
  const { dryRun } = options;
  await mkdir(config.work, { recursive: true });
  const lock = await takeRunLock(config.work, `prune ${options.target ?? ''}`.trim());
  try {
    return await withSteps(config.work, options, async (runner) => {
      const reports: PruneReport[] = [];
      const errors: NightlyError[] = [];
      const wouldGo = new Map<string, Set<string>>();
      for (const target of targets) {
        const { name, retention } = target;
        try {
          const result = await runner.step(`prune-${name}`, {}, (task) =>
            pruneConfigured(config, openTarget(target), { dryRun }, task),
          );
          if (retention) reports.push(reportPrune(name, result, retention));
          if (dryRun) wouldGo.set(name, new Set(result.plan.decision.goes.keys()));
        } catch (error) {
          options.signal.throwIfAborted();
          errors.push(asNightlyError(error));
        }
      }
      const [first, ...others] = errors;
      const local = first
        ? undefined
        : await runner.step('prune-local', {}, (task) => pruneLocalRepo(config, { dryRun, wouldGo }, task));
      if (options.json) printJson({ dryRun, targets: reports, ...(local ? { local } : {}) }, print);
      else printReports(reports, local, dryRun, print);
      for (const error of others) process.stderr.write(`${formatError(error)}\n`);
      if (first) throw first;
      return 0;
    });
  } finally {
    await lock.release();
  }
}

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
      for (const commit of commits) print(`    ${commitLine(commit, dryRun)}`);
    }
    const total = totalOf(removed);
    print(`  ${did} ${total.files} files, ${formatBytes(total.bytes)}`);
    for (const { name, files, bytes } of removed) print(`    ${name}: ${files} files, ${formatBytes(bytes)}`);
    if (unlisted.length > 0) print(`  the index no longer names ${unlisted.join(', ')}`);
    if (later && later.files > 0) {
      print(`  once all that is given up has gone: ${later.files} objects, ${formatBytes(later.bytes)}`);
    }
  }
  if (local && local.commits.length > 0) {
    print(
      `Local repository: ${did} ${local.commits.length} commits, ${local.files} files, ${formatBytes(local.bytes)}`,
    );
  }
}

function commitLine({ commit, version, date, state, why, due }: ReportedCommit, dryRun: boolean): string {
  const name = `${(version ?? date).padEnd(12)} ${commit.slice(0, 12)}`;
  switch (state) {
    case 'kept':
      return `${name}  stays: ${why.join(', ')}`;
    case 'given-up':
      return `${name}  given up, goes after ${due}`;
    case 'removed':
      return `${name}  ${dryRun ? 'goes now' : 'gone'}`;
  }
}
