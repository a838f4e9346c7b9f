import { hostname } from 'node:os';
import { bootId, pidNamespace } from '../base/boot-id.ts';
import { NightlyError } from '../base/errors.ts';
import { startOfProcess } from '../base/process-id.ts';
import { isRunLockHeld, type LockHolder, readLockHolder } from './run-lock.ts';

/**
 * Who has the run lock, without keeping any run from it. Undefined when nobody has it, or whoever had it was killed. Where
 * the process can be seen from here, that is what counts; where it cannot (in another container, or with a `lock.json` that
 * is damaged), the kernel's lock is. A holder on another machine is believed.
 */
export async function lockHolder(workDir: string): Promise<LockHolder | undefined> {
  const found = await readLockHolder(workDir);
  if (found === undefined) return undefined;
  if (found instanceof NightlyError) return (await isRunLockHeld(workDir)) ? UNKNOWN : undefined;
  const { pid, host, boot, pids, since } = found;
  const isOfThisKernel = boot === undefined ? host === hostname() : boot === bootId();
  if (!isOfThisKernel && host !== hostname()) return found;
  if (!isOfThisKernel || (pids !== undefined && pids !== pidNamespace())) {
    return (await isRunLockHeld(workDir)) ? found : undefined;
  }
  const started = startOfProcess(pid);
  // A later process may have the number of one that was killed.
  return started !== undefined && started <= Date.parse(since) + 1000 ? found : undefined;
}

/** Somebody whose `lock.json` cannot be read. */
const UNKNOWN: LockHolder = { pid: 0, host: 'unknown', command: 'unknown', since: new Date(0).toISOString() };
