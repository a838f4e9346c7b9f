import { shellWord } from '../base/quoting.ts';
import type { Task } from '../base/task.ts';
import type { Accelerator } from '../programs/qemu.ts';
import { ANY_EXIT_CODE } from '../programs/spawn.ts';
import { bootImage, type Login, type Vm } from './boot-image.ts';
import { type AllowedUnit, checkSystem } from './check-system.ts';
import { inGuest } from './in-guest.ts';
import { machineFault } from './serial-log.ts';

/** Something that must work in the booted machine. */
export interface HealthCheck {
  readonly name: string;
  /** Shell command; the check passes with exit code 0. */
  readonly command: string;
  /** Seconds. */
  readonly timeout: number;
}

export interface SmokeRequest {
  /** A disk image; it is not changed. */
  readonly image: string;
  readonly commit: string;
  readonly version: string;
  /** Time limit without output on the serial line: for the boot, until a login over ssh succeeds, and again for the start-up jobs. */
  readonly timeoutSeconds: number;
  readonly allowDegraded: readonly AllowedUnit[];
  readonly healthChecks: readonly HealthCheck[];
  /** Who logs in; default: a user that cloud-init makes. */
  readonly login?: Login | undefined;
  readonly cpus: number;
  readonly memoryMib: number;
  /** Default `bios`. */
  readonly firmware?: 'bios' | 'uefi';
}

export interface SmokeResult {
  readonly state: 'running' | 'degraded';
  readonly failedUnits: readonly AllowedUnit[];
  readonly accelerator: Accelerator;
  readonly bootSeconds: number;
  readonly checkSeconds: number;
  readonly serialLog: string;
  /** Names of those that passed: all. Records from before do not have them. */
  readonly healthChecks?: readonly string[];
}

/**
 * Boots an image and looks whether it came up as the right version and passes its health checks.
 * @throws NightlyError `gate-failed`, with the path of the serial log; `tool-missing`.
 */
export async function smokeTest(request: SmokeRequest, task: Task): Promise<SmokeResult> {
  const { image, timeoutSeconds, login, cpus, memoryMib } = request;
  const firmware = request.firmware ?? 'bios';
  const serialLog = `${task.logFile.replace(/\.log$/, '')}.serial.log`;
  const vm = await bootImage({ image, timeoutSeconds, serialLog, firmware, cpus, memoryMib, login }, task);
  try {
    task.say(`ssh login succeeded after ${vm.bootSeconds.toFixed(1)} s`);
    const { commit, version, allowDegraded } = request;
    const system = await checkSystem(vm, { commit, version, allowDegraded, timeoutSeconds }, task);
    task.say(`The system is ${system.state}, on ${version}`);
    for (const check of request.healthChecks) await runHealthCheck(vm, check, task);
    return {
      state: system.state,
      failedUnits: system.failedUnits,
      accelerator: vm.accelerator,
      bootSeconds: vm.bootSeconds,
      checkSeconds: system.seconds,
      serialLog,
      healthChecks: request.healthChecks.map(({ name }) => name),
    };
  } finally {
    await vm.stop();
  }
}

async function runHealthCheck(vm: Vm, { name, command, timeout }: HealthCheck, task: Task): Promise<void> {
  const result = await inGuest(vm, `timeout ${timeout} sh -c ${shellWord(command)}`, task, {
    timeoutSeconds: timeout + 60,
    okExitCodes: ANY_EXIT_CODE,
  });
  if (result.exitCode === 0) return task.say(`Health check passed: ${name}`);
  const how = result.exitCode === 124 ? `did not end within ${timeout} s` : `ended with exit code ${result.exitCode}`;
  const said = `${result.stdout}${result.stderr}`.trim().split('\n').slice(-5).join('\n');
  throw await machineFault(vm, `The health check "${name}" failed: ${command} ${how}.${said && `\n${said}`}`);
}
