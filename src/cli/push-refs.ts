import type { Task } from '../base/task.ts';
import { pushToReceiver } from '../publish/push/push-to-receiver.ts';
import type { TargetPush } from '../publish/push/push-to-target.ts';
import type { PushedResult } from '../publish/push/pushed-result.ts';
import { openReceiverLine, type ReceiverLine } from '../publish/push/receiver-line.ts';
import type { Runner } from '../run/runner.ts';
import type { FarSide } from './far-side.ts';
import type { FarOptions } from './push-places.ts';

/** What is asked of a push. */
export interface PushOrder extends Omit<TargetPush, 'target' | 'signing' | 'log'>, FarOptions {
  /** A target of the configuration, or an address. */
  readonly to: string;
  /** The connection to an address that is reached over ssh. */
  readonly line?: ReceiverLine | undefined;
  readonly pruneTo?: number | undefined;
}

/**
 * Pushes refs to where they go. An account that is reached over ssh may take pushes and nothing else; whether it does is found out
 * by asking. What is needed only where it does not is loaded then.
 * @param config path of the configuration
 */
export async function pushRefs(order: PushOrder, config: string, runner: Runner): Promise<readonly PushedResult[]> {
  const { line } = order;
  const done = line && (await pushToAccount(order, () => line, runner));
  if (done) return done;
  const { openFarSide } = await import('./far-side.ts');
  const far = await openFarSide(order.to, order, config);
  const { place } = far;
  const url = order.url ?? (far.target.publicUrl || undefined);
  return (
    (place && (await pushToAccount({ ...order, url }, (task) => openReceiverLine(place, task), runner))) ??
    pushFiles(order, far, runner)
  );
}

/** @returns undefined where that account takes no pushes */
async function pushToAccount(
  order: PushOrder,
  open: (task: Task) => ReceiverLine,
  runner: Runner,
): Promise<readonly PushedResult[] | undefined> {
  const { refs, stateDir, dryRun, verify } = order;
  const done = await runner.step(stepName(order), { by: 'receive' }, (task) => pushToReceiver(open(task), order, task));
  const url = order.url ?? done?.url;
  if (done && url !== undefined && verify && !dryRun) {
    const { verifyRefs } = await import('../publish/push/verify-refs.ts');
    await runner.step('verify', {}, (task) => verifyRefs(url, refs, stateDir, task));
  }
  return done?.refs;
}

async function pushFiles(
  order: PushOrder,
  { target, signing, log }: FarSide,
  runner: Runner,
): Promise<readonly PushedResult[]> {
  const { pushToTarget } = await import('../publish/push/push-to-target.ts');
  const done = await runner.step(stepName(order), { by: 'files' }, (task) =>
    pushToTarget({ ...order, target, log, ...(signing && { signing: signing(task) }) }, task),
  );
  const { pruneTo: depth, refs, source, stateDir } = order;
  if (depth !== undefined && !order.dryRun) {
    const { pruneTo } = await import('../publish/prune/prune-to.ts');
    const older = { log, target, refs: refs.flatMap(({ ref, isTag }) => (isTag ? [] : [ref])), depth };
    await runner.step('prune', {}, (task) =>
      pruneTo({ ...older, ...signing?.(task), repo: source.path, scratchDir: stateDir }, task),
    );
  }
  return done;
}

const stepName = ({ dryRun }: PushOrder): string => (dryRun ? 'plan' : 'push');
