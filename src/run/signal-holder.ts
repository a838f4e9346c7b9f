import { hostname } from 'node:os';
import { bootId, pidNamespace } from '../base/boot-id.ts';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';
import { startOfProcess } from '../base/process-id.ts';
import { type LockHolder, readLockHolder } from './run-lock.ts';

/**
 * Sends a signal to the process that has the run lock, and never to another: one of that number on another machine, after a reboot, in
 * another container, or one that was started later.
 * @param holder as `lockHolder` found it
 * @returns whether it was sent; false: the process has ended meanwhile
 * @throws NightlyError `locked` when the process cannot be reached from here, `permission` when it belongs to another user.
 */
export async function signalHolder(work: string, holder: LockHolder, signal: NodeJS.Signals): Promise<boolean> {
  const { pid, host, boot, pids, since, command } = holder;
  const place = `"${command}", process ${pid} on ${host}`;
  // Without a boot id, from an earlier version, it is not known whose number it is; nor with a damaged record, which has none.
  if (boot === undefined || pid <= 1) {
    throw new NightlyError('locked', `It is not known which process has the lock of ${work}: ${place}.`, {
      hint: 'Look for it with "ps", and end it with "kill -INT"; the lock is released when it ends.',
    });
  }
  if (boot !== bootId()) {
    const where = host === hostname() ? 'before a reboot, or on another machine of this name' : `on ${host}`;
    throw new NightlyError('locked', `The run was started ${where}: ${place}.`, {
      hint: `Run "atomic-nightly cancel" on ${host}. The lock is released when the process there ends.`,
    });
  }
  if (pids !== undefined && pids !== pidNamespace()) {
    throw new NightlyError('locked', `The run is in another container: ${place}.`, {
      hint: 'Run "atomic-nightly cancel" in that container, or stop it.',
    });
  }
  const now = await readLockHolder(work);
  const started = startOfProcess(pid);
  const isSame = !(now instanceof NightlyError) && now?.pid === pid && now.since === since;
  if (!isSame || started === undefined || started > Date.parse(since) + 1000) return false;
  try {
    // One that was stopped (Ctrl-Z) takes no signal before it goes on.
    process.kill(pid, 'SIGCONT');
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return false;
    if (!isErrno(error, 'EPERM')) throw error;
    throw new NightlyError('permission', `The run belongs to another user: ${place}.`, {
      hint: 'Run "atomic-nightly cancel" as that user, or as root.',
      cause: error,
    });
  }
}
