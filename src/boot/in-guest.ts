import type { RunResult } from '../tools/exec.ts';
import { type Deployment, parseAdminStatus } from '../tools/ostree-admin.ts';
import { sshToThrowAway } from '../tools/ssh.ts';
import type { Task } from '../tools/task.ts';
import type { Vm } from './boot-image.ts';

export interface GuestOptions {
  /** Default 300. */
  readonly timeoutSeconds?: number;
  readonly okExitCodes?: readonly number[];
}

/**
 * Runs a shell command line in the guest as the test user, who may use sudo without a password. It reaches the
 * machine's reverse ports under http://127.0.0.1:PORT, as clients here do.
 * @throws NightlyError `tool-failed`
 */
export async function inGuest(vm: Vm, command: string, task: Task, options: GuestOptions = {}): Promise<RunResult> {
  return sshToThrowAway(
    vm.host,
    command,
    {
      timeoutMs: (options.timeoutSeconds ?? 300) * 1000,
      reversePorts: vm.reversePorts,
      okExitCodes: options.okExitCodes ?? [0],
    },
    task,
  );
}

/** The guest's deployments in boot order: the next to boot first. */
export async function deploymentsOf(vm: Vm, task: Task): Promise<Deployment[]> {
  return parseAdminStatus((await inGuest(vm, 'sudo ostree admin status', task)).stdout);
}
