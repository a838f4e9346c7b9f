import { setTimeout as sleep } from 'node:timers/promises';
import { SSH_CONNECTION_FAILED, type SshHost, sshGreets, sshToThrowAway } from '../tools/ssh.ts';
import type { Task } from '../tools/task.ts';
import { lastSerialLines, machineFault } from './serial.ts';

/** What can be waited for: a machine that may also have ended. */
export interface Waitable {
  readonly host: SshHost;
  readonly serialLog: string;
  ended(): number | null | undefined;
}

const POLL_MS = 500;
const SAY_EVERY_MS = 15_000;

/**
 * Waits until the machine lets us in over ssh and its boot id is another than `oldBootId`. Says how far it is every
 * 15 s, by its last serial line. @returns the boot id.
 * @throws NightlyError `gate-failed` after the time, or when the machine ends before.
 */
export async function waitForSsh(
  vm: Waitable,
  timeoutSeconds: number,
  task: Task,
  oldBootId?: string,
): Promise<string> {
  const started = Date.now();
  const elapsed = () => Math.round((Date.now() - started) / 1000);
  let said = started;
  while (elapsed() < timeoutSeconds) {
    task.signal.throwIfAborted();
    const exitCode = vm.ended();
    if (exitCode !== undefined) {
      throw await machineFault(vm, `The machine ended by itself (exit code ${exitCode}) before ssh let us in.`);
    }
    const bootId = await readBootId(vm, task);
    if (bootId !== undefined && bootId !== oldBootId) return bootId;
    if (Date.now() - said >= SAY_EVERY_MS) {
      said = Date.now();
      const [line = 'nothing yet'] = await lastSerialLines(vm.serialLog, 1);
      task.say(`Booting for ${elapsed()} s: ${line.slice(0, 100)}`);
    }
    await sleep(POLL_MS, undefined, { signal: task.signal });
  }
  throw await machineFault(vm, `The machine did not let us in over ssh within ${timeoutSeconds} s.`);
}

/** The kernel's id of the running boot; undefined while the machine cannot be asked. */
export async function readBootId(vm: Waitable, task: Task): Promise<string | undefined> {
  if (!(await sshGreets(vm.host.address, vm.host.port, 3000))) return undefined;
  const asked = await sshToThrowAway(
    vm.host,
    'cat /proc/sys/kernel/random/boot_id',
    { timeoutMs: 30_000, okExitCodes: [0, SSH_CONNECTION_FAILED] },
    task,
  );
  return asked.exitCode === 0 ? asked.stdout.trim() : undefined;
}
