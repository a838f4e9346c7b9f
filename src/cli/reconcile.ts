import { mkdir } from 'node:fs/promises';
import { loadConfig } from '../config/load.ts';
import { isSound, planLines, type ReconcilePlan } from '../publish/reconcile/reconcile-plan.ts';
import { takeRunLock } from '../run/run-lock.ts';
import { targetsNamed } from '../run/streams-on.ts';
import { reconcile } from '../steps/deliver/reconcile.ts';
import { type RunCommandOptions, withSteps } from './open-run.ts';
import { type Printer, printJson } from './print.ts';

export interface ReconcileCommandOptions extends RunCommandOptions {
  /** Default: all targets. */
  readonly target?: string;
  /** Read everything back and compare contents, not only sizes. */
  readonly checksums: boolean;
  /** Sign earlier builds with keys that have come since. */
  readonly signBuilds: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * `atomic-nightly publish --reconcile`: compares targets with the work folder and repairs what is lost or damaged.
 * @returns the exit code: 1 when something could not be repaired, or in a dry run when something is to be repaired.
 */
export async function runReconcile(options: ReconcileCommandOptions, print: Printer): Promise<number> {
  const config = await loadConfig(options.config);
  const targets = targetsNamed(config, options.target);
  const { dryRun, checksums, signBuilds } = options;
  await mkdir(config.work, { recursive: true });
  const lock = await takeRunLock(config.work, 'publish --reconcile');
  try {
    const plans: ReconcilePlan[] = [];
    await withSteps(config.work, options, async (runner) => {
      for (const target of targets) {
        plans.push(
          await runner.step(`reconcile-${target.name}`, {}, (task) =>
            reconcile(config, target, { dryRun, checksums, signBuilds }, task),
          ),
        );
      }
    });
    if (options.json) printJson({ dryRun, targets: plans }, print);
    else for (const plan of plans) print(planLines(plan).join('\n'));
    const short = plans.some((plan) => plan.unrepairable.length > 0 || (dryRun && !isSound(plan)));
    return short ? 1 : 0;
  } finally {
    await lock.release();
  }
}
