import { join } from 'node:path';
import { makeFolder, sha256, withTemporaryFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { initRepo } from '../../programs/ostree.ts';
import type { TargetSigning } from '../../published/record-trust.ts';
import { applyPublish } from '../apply.ts';
import type { LogGate } from '../log/logged.ts';
import { planSize } from '../publish-phases.ts';
import { openSentLog } from '../sent-log.ts';
import { type PushRequest, planPush, type RefPlan } from './plan-push.ts';
import type { PushedRef } from './pushed-ref.ts';
import type { PushedResult } from './pushed-result.ts';
import { verifyRefs } from './verify-refs.ts';

export interface TargetPush extends Omit<PushRequest, 'staging' | 'coming'> {
  readonly refs: readonly PushedRef[];
  readonly dryRun: boolean;
  /** Signs the summary. */
  readonly signing?: TargetSigning;
  /** Asked before a ref is moved. */
  readonly log: LogGate;
  /** Folder for what is on its way and for what a kill is to be remembered by; made when missing. */
  readonly stateDir: string;
  /** Whether a fresh client pulls each ref afterwards, where the target has a public URL. */
  readonly verify: boolean;
}

/**
 * Pushes refs of a local repository to a target in the order of a publish: all objects, then each ref with the summary, by
 * compare-and-swap. All refs are checked before anything is sent; the same call goes on after a kill.
 * @throws NightlyError what `planPush`, `applyPublish` and `verifyPublished` throw.
 */
export async function pushToTarget(request: TargetPush, task: Task): Promise<PushedResult[]> {
  const { target, refs, stateDir, dryRun, signing, log } = request;
  await makeFolder(stateDir);
  return withTemporaryFolder(async (folder) => {
    const staging = join(folder, 'repo');
    await initRepo(staging, 'archive', task);
    const plans: RefPlan[] = [];
    for (const one of refs) {
      // What goes with a ref before need not go again.
      const coming = new Set(plans.map(({ plan }) => plan.to));
      plans.push(await planPush(one, { ...request, staging, coming }, task));
    }
    if (dryRun) return plans.map(resultOf);
    for (const [index, { plan, heads }] of plans.entries()) {
      const sent = await openSentLog(join(stateDir, sentName(request, plan.epoch)));
      // The first of them changes the summary, so what was read for the others holds no longer.
      const places = {
        repo: staging,
        target,
        log,
        sent,
        ...(signing && { signing }),
        ...(index === 0 ? { heads } : {}),
      };
      await applyPublish(plan, places, task);
      await sent.clear();
      task.say(`${plan.ref} on ${target.name} is ${plan.to.slice(0, 12)}`);
    }
    if (request.verify && target.publicUrl !== '') await verifyRefs(target.publicUrl, refs, folder, task);
    return plans.map(resultOf);
  }, stateDir);
}

/** After a prune what had arrived may be gone again, and so it is forgotten. */
function sentName({ target, refs }: TargetPush, epoch: string | undefined): string {
  const what = [target.describe(), epoch ?? '', ...refs.map(({ commit }) => commit)];
  return `sent-${sha256(what.join('\0')).slice(0, 16)}`;
}

function resultOf({ plan }: RefPlan): PushedResult {
  const { ref, from, to } = plan;
  return { ref, from, to, ...planSize(plan) };
}
