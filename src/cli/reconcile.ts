import { makeFolder } from '../base/files.ts';
import { loadConfig } from '../config/load.ts';
import { isSound, planLines, type ReconcilePlan } from '../publish/reconcile/reconcile-plan.ts';
import { takeRunLock } from '../run/run-lock.ts';
import { targetsNamed } from '../run/streams-on.ts';
import { reconcile } from '../steps/deliver/reconcile.ts';
import type { RunContext } from './context.ts';
import { printJson } from './print.ts';
import { withSteps } from './with-steps.ts';

/** What `publish --reconcile` is asked for. */
export interface ReconcileRequest {
  /** Default: all targets. */
  readonly target: string | undefined;
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
export async function reconcileTargets(request: ReconcileRequest, context: RunContext): Promise<number> {
  const { target: named, dryRun, json, checksums, signBuilds } = request;
  const { print } = context;
  const config = await loadConfig(context.config);
  const targets = targetsNamed(config, named);
  await makeFolder(config.work);
  const lock = await takeRunLock(config.work, 'publish --reconcile');
  try {
    const plans: ReconcilePlan[] = [];
    await withSteps(config.work, context, async (runner) => {
      for (const target of targets) {
        plans.push(
          await runner.step(`reconcile-${target.name}`, {}, (task) =>
            reconcile(config, target, { dryRun, checksums, signBuilds }, task),
          ),
        );
      }
    });
    if (json) printJson({ dryRun, targets: plans }, print);
    else for (const plan of plans) print(planLines(plan).join('\n'));
    const short = plans.some((plan) => plan.unrepairable.length > 0 || (dryRun && !isSound(plan)));
    return short ? 1 : 0;
  } finally {
    await lock.release();
  }
}
