import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { hasEnded, pidNamespace, processPlace } from '../base/boot-id.ts';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { PRUNE_EPOCH, type PruneEpoch } from '../published/epoch-format.ts';
import { readTargetRecord } from '../published/target-record.ts';
import type { Target } from '../targets/target.ts';
import { updateRecord } from './publish-files.ts';

/**
 * Keeps publishing and pruning of a target apart, although neither holds a lock for as long as it works:
 *   1. a publisher reads `prune.json` before it looks what the target lacks, and stops where somebody is deleting;
 *   2. it moves its ref only if `prune.json` still has the same bytes, in one compare-and-swap with the ref;
 *   3. a pruner first writes `deleting` into it, then reads the refs, and deletes only what none of them needs;
 *   4. when it is done it counts `epoch` up, so that a publisher from before sends again what may have gone.
 * A pruner that was killed leaves `deleting` behind. The next one takes over: at once on the same machine when that
 * process is gone, elsewhere after a day.
 */
export const EPOCH_PATH = 'prune.json';

/** @throws NightlyError `unsupported` when the file is not one of ours. */
export function parseEpoch(content: Uint8Array | undefined, target: Target): PruneEpoch {
  return content ? readTargetRecord(content, PRUNE_EPOCH, EPOCH_PATH, target) : { epoch: 0 };
}

/** @throws NightlyError `locked`, naming who deletes there. */
export function refuseWhileDeleting(content: Uint8Array | undefined, target: Target): void {
  const { deleting } = parseEpoch(content, target);
  if (!deleting) return;
  const { pid, host, since } = deleting;
  throw new NightlyError(
    'locked',
    `A prune is deleting on target "${target.name}": process ${pid} on ${host}, since ${since}.`,
    {
      hint: 'Run "atomic-nightly resume" when it is done. Should it have died, "atomic-nightly prune" on that host ends its work.',
    },
  );
}

/** The right to delete on a target, from `beginDeleting` on. */
export interface DeletingLock {
  /** @throws NightlyError `locked` when another pruner has taken over. */
  check(task: Task): Promise<void>;
  /** Counts the epoch up. Works for an aborted task as well, so that publishers need not wait for the next prune. */
  end(task: Task): Promise<void>;
}

/** Age from which another machine's pruner counts as gone. */
const LIFE_MS = 24 * 3600 * 1000;

/**
 * Tokens that this process wrote, to tell them from those of an earlier process with the same number, as in a
 * container.
 */
const ownTokens = new Set<string>();

/**
 * Step 3: announces that deleting begins, or takes over from a pruner that died.
 * @throws NightlyError `locked`, naming the other pruner.
 */
export async function beginDeleting(target: Target, task: Task): Promise<DeletingLock> {
  const token = randomUUID();
  ownTokens.add(token);
  const mine = { token, host: hostname(), ...processPlace(), since: new Date().toISOString() };
  await updateRecord(
    { path: EPOCH_PATH, format: PRUNE_EPOCH },
    (old) => {
      if (old?.deleting && old.deleting.token !== token) refuseAlive(old.deleting, target);
      return { epoch: old?.epoch ?? 0, deleting: mine };
    },
    target,
    task,
  );
  return {
    async check(now) {
      const { deleting } = parseEpoch(await target.read(EPOCH_PATH, now), target);
      if (deleting?.token === token) return;
      throw new NightlyError('locked', `Another prune of target "${target.name}" took over from this one.`, {
        hint: 'Let it end; it removes what is left.',
      });
    },
    async end(now) {
      const last = { ...now, signal: AbortSignal.timeout(60_000) };
      await updateRecord(
        { path: EPOCH_PATH, format: PRUNE_EPOCH },
        (old) => (old?.deleting?.token === token ? { epoch: old.epoch + 1 } : (old ?? { epoch: 0 })),
        target,
        last,
      );
      ownTokens.delete(token);
    },
  };
}

function refuseAlive(deleting: NonNullable<PruneEpoch['deleting']>, target: Target): void {
  const { token, host, pid, pids, since } = deleting;
  // One that began in the future had another time: it is as far from ours as an old one.
  if (Math.abs(Date.now() - Date.parse(since)) > LIFE_MS) return;
  const here = host === hostname();
  if (here && hasEnded(deleting)) return;
  const isNumberedHere = pids === undefined || pids === pidNamespace();
  if (here && isNumberedHere && pid === process.pid && !ownTokens.has(token)) return;
  throw new NightlyError(
    'locked',
    `Another prune is deleting on target "${target.name}": process ${pid} on ${host}, since ${since}.`,
    {
      hint: 'Wait for it to end. One that died is taken over by the next prune on that machine, or a day later by any.',
    },
  );
}
