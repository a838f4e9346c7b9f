import { NightlyError } from '../errors.ts';
import type { Target } from '../targets/target.ts';

/**
 * Keeps publishing and pruning of a target apart, although neither holds a lock for as long as it works:
 *   1. a publisher reads `prune.json` before it looks what the target lacks, and stops where somebody is deleting;
 *   2. it moves its ref only if `prune.json` still has the same bytes, in one compare-and-swap with the ref;
 *   3. a pruner first writes `deleting` into it, then reads the refs, and deletes only what none of them needs;
 *   4. when it is done it counts `epoch` up, so that a publisher from before sends again what may have gone.
 */
export const EPOCH_PATH = 'prune.json';

export interface PruneEpoch {
  /** Counts the prunes that have deleted something. */
  readonly epoch: number;
  /** Who is deleting right now. */
  readonly deleting?: { readonly token: string; readonly host: string; readonly pid: number; readonly since: string };
}

/** @throws NightlyError `unsupported` when the file is not one of ours. */
export function parseEpoch(content: Uint8Array | undefined, target: Target): PruneEpoch {
  if (!content) return { epoch: 0 };
  try {
    return JSON.parse(new TextDecoder().decode(content)) as PruneEpoch;
  } catch (error) {
    throw new NightlyError('unsupported', `${EPOCH_PATH} on target "${target.name}" is not JSON: ${String(error)}`, {
      hint: 'Look who wrote it; remove it when no prune is under way.',
      cause: error,
    });
  }
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
