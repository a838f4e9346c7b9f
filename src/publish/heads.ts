import type { Task } from '../base/task.ts';
import type { Target } from '../targets/target.ts';
import { EPOCH_PATH } from './epoch.ts';

type Content = Uint8Array | undefined;

/** The small files of a target that tell what it publishes, as they were read; undefined where there is none. */
export interface Heads {
  readonly ref: Content;
  readonly summary: Content;
  readonly config: Content;
  readonly signature: Content;
  readonly epoch: Content;
}

/** Their paths on the target. */
export function headPaths(ref: string): Readonly<Record<keyof Heads, string>> {
  return {
    ref: `repo/refs/heads/${ref}`,
    summary: 'repo/summary',
    config: 'repo/config',
    signature: 'repo/summary.sig',
    epoch: EPOCH_PATH,
  };
}

/** Reads them in one go. @throws NightlyError `target-unreachable`, `target-permission`, `target-host-key`. */
export async function readHeads(target: Target, ref: string, task: Task): Promise<Heads> {
  const paths = headPaths(ref);
  const order = [paths.ref, paths.summary, paths.config, paths.signature, paths.epoch];
  const [at, summary, config, signature, epoch] = await target.readMany(order, task);
  return { ref: at, summary, config, signature, epoch };
}
