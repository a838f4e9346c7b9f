import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import type { RunResult } from '../programs/exec.ts';
import { type Deployment, parseAdminStatus } from '../programs/ostree-admin.ts';
import { sshToThrowAway } from '../programs/ssh.ts';
import type { Vm } from './boot-image.ts';
import { Stalled, whileProgressing } from './patience.ts';
import { machineFault, serialSize } from './serial-log.ts';

export interface GuestOptions {
  /** Default 300. */
  readonly timeoutSeconds?: number;
  readonly okExitCodes?: readonly number[];
}

/**
 * Runs a shell command line in the guest as the test user, who may use sudo without a password. It reaches the
 * machine's reverse ports under http://127.0.0.1:PORT, as clients here do.
 * @throws NightlyError `gate-failed` when the command fails or the machine does not answer, with its last serial lines
 */
export async function inGuest(vm: Vm, command: string, task: Task, options: GuestOptions = {}): Promise<RunResult> {
  const { timeoutSeconds = 300, okExitCodes = [0] } = options;
  try {
    const { serialLog } = vm;
    const limits = { serialLog, seconds: timeoutSeconds, consoleFrom: await serialSize(serialLog) };
    return await whileProgressing(limits, task, (watched) =>
      sshToThrowAway(vm.host, command, { reversePorts: vm.reversePorts, okExitCodes }, watched),
    );
  } catch (error) {
    if (error instanceof Stalled) {
      throw await machineFault(vm, `The machine did not answer: ${error.message}. It was asked to run: ${command}`);
    }
    if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
    const said = error.message.split('\n').slice(1).join('\n');
    const fault = /^ssh ended with exit code 255/.test(error.message)
      ? `The machine cannot be reached over ssh any more. It was asked to run: ${command}`
      : `A command failed in the machine: ${command}`;
    throw await machineFault(vm, `${fault}${said && `\n${said}`}`);
  }
}

/** Returns the guest's deployments in boot order: the next to boot first. */
export async function deploymentsOf(vm: Vm, task: Task): Promise<Deployment[]> {
  return parseAdminStatus((await inGuest(vm, 'sudo ostree admin status', task)).stdout);
}
