import { setTimeout as sleep } from 'node:timers/promises';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { SSH_CONNECTION_FAILED, type SshHost, sshGreets, sshToThrowAway } from '../programs/ssh.ts';
import { patience } from './patience.ts';
import { lastSerialLines, machineFault, serialAsksForLogin, serialSize } from './serial-log.ts';

/** What can be waited for: a machine that may also have ended. */
export interface Waitable {
  readonly host: SshHost;
  readonly serialLog: string;
  ended(): number | null | undefined;
}

/** The boot that is waited for, where the machine was up before. */
export interface EarlierBoot {
  readonly bootId: string;
  /** Bytes in the serial log when the restart was asked for. */
  readonly serialSize: number;
}

const POLL_MS = 500;
const SAY_EVERY_MS = 15_000;
/**
 * A guest that is not up yet is asked rarely: QEMU's user-mode network accepts every connection at once and then keeps it
 * until the guest's network answers or a timeout ends it, so that connections given up would pile up there.
 */
const ASK_BLINDLY_EVERY_MS = 30_000;
const GREETING_MS = 10_000;

/**
 * Waits until the machine accepts a login over ssh; after a restart, in another boot than before. A login prompt on the
 * serial line is the sign to ask often. Says how far it is every 15 s, by its last serial line. @returns the boot id.
 * @param timeoutSeconds without a word on the serial line
 * @throws NightlyError `gate-failed` after the time, or when the machine ends before.
 */
export async function waitForSsh(
  vm: Waitable,
  timeoutSeconds: number,
  task: Task,
  before?: EarlierBoot,
): Promise<string> {
  const started = performance.now();
  const elapsed = () => Math.round((performance.now() - started) / 1000);
  let said = started;
  let asked = started;
  const consoleFrom = before?.serialSize ?? 0;
  const spent = patience({ serialLog: vm.serialLog, seconds: timeoutSeconds, consoleFrom });
  let reason: string | undefined;
  while (reason === undefined) {
    task.signal.throwIfAborted();
    const exitCode = vm.ended();
    if (exitCode !== undefined) {
      throw await machineFault(
        vm,
        `The machine ended by itself (exit code ${exitCode}) before a login over ssh succeeded.`,
      );
    }
    const prompted = await serialAsksForLogin(vm.serialLog, consoleFrom);
    if (prompted || performance.now() - asked >= ASK_BLINDLY_EVERY_MS) {
      const bootId = await readBootId(vm, task);
      if (bootId !== undefined && bootId !== before?.bootId) return bootId;
      asked = performance.now();
    }
    if (performance.now() - said >= SAY_EVERY_MS) {
      said = performance.now();
      const [line = 'nothing yet'] = await lastSerialLines(vm.serialLog, 1);
      task.say(`Booting for ${elapsed()} s: ${line.slice(0, 100)}`);
    }
    await sleep(POLL_MS, undefined, { signal: task.signal });
    reason = await spent();
  }
  throw await machineFault(vm, `The machine accepted no login over ssh: ${reason}.`);
}

/** Returns what `waitForSsh` needs to tell the next boot from this one. @throws NightlyError `gate-failed` */
export async function thisBoot(vm: Waitable, task: Task): Promise<EarlierBoot> {
  const bootId = await readBootId(vm, task);
  if (bootId === undefined) throw await machineFault(vm, 'The machine cannot be reached to restart it.');
  return { bootId, serialSize: await serialSize(vm.serialLog) };
}

/** Returns the kernel's id of the running boot; undefined while the machine cannot be asked. */
async function readBootId(vm: Waitable, task: Task): Promise<string | undefined> {
  if (!(await sshGreets(vm.host.address, vm.host.port, GREETING_MS))) return undefined;
  // A busy machine may need longer than one question has; it is asked again then.
  const answer = await sshToThrowAway(
    vm.host,
    'cat /proc/sys/kernel/random/boot_id',
    { timeoutMs: 60_000, okExitCodes: [0, SSH_CONNECTION_FAILED] },
    task,
  ).catch((error: unknown) => {
    if (error instanceof NightlyError && error.code === 'tool-failed') return undefined;
    throw error;
  });
  return answer?.exitCode === 0 ? answer.stdout.trim() : undefined;
}
