import { hostname } from 'node:os';
import { join } from 'node:path';
import { readTextIfExists } from '../base/files.ts';
import { startOfProcess } from '../base/process-id.ts';
import type { LockHolder } from './run-lock.ts';

/**
 * Who has the run lock, without touching it: a look that took it even for a moment would make a run that starts right then
 * give up. Undefined when nobody has it, or whoever had it was killed. A holder on another host is believed.
 */
export async function lockHolder(workDir: string): Promise<LockHolder | undefined> {
  const text = await readTextIfExists(join(workDir, 'lock.json'));
  if (text === undefined) return undefined;
  const holder = JSON.parse(text) as LockHolder;
  if (holder.host !== hostname()) return holder;
  const started = startOfProcess(holder.pid);
  // A later process may have the number of one that was killed.
  return started !== undefined && started <= Date.parse(holder.since) + 1000 ? holder : undefined;
}
