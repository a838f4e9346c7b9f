import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import type { TargetSigning } from '../published/record-trust.ts';
import { applyPublish } from './apply.ts';
import { readHeads } from './heads.ts';
import type { LogGate } from './log/logged.ts';
import { type PublishPlan, type PublishRequest, planPublish } from './publish-plan.ts';
import { openSentLog } from './sent-log.ts';

/** How often a target may be pruned under a publish until that is somebody else's problem. */
const TRIES = 3;

/**
 * Plans a publish and carries it out. What arrived is noted in a file, so that after a kill the same call continues
 * where it stopped; a prune that came in between makes it look again.
 * @param request `notes` is the file; it is removed when all is done
 * @returns the plan that was carried out
 * @throws NightlyError what `planPublish` and `applyPublish` throw.
 */
export async function publishCommit(
  request: PublishRequest & {
    readonly notes: string;
    readonly signing?: TargetSigning | undefined;
    readonly log: LogGate;
  },
  task: Task,
): Promise<PublishPlan> {
  const { repo, ref, target, signing, log } = request;
  const sent = await openSentLog(request.notes);
  for (let attempt = 1; ; attempt += 1) {
    const heads = readHeads(target, ref, task);
    const plan = await planPublish({ ...request, heads }, task);
    try {
      const places = { repo, target, sent, heads: await heads, signing, log };
      await applyPublish(plan, places, task);
      await sent.clear();
      return plan;
    } catch (error) {
      if (!(error instanceof NightlyError) || error.code !== 'target-pruned' || attempt === TRIES) throw error;
      task.say(`${target.name} was pruned meanwhile; looking again what it lacks`);
      await sent.clear();
    }
  }
}
