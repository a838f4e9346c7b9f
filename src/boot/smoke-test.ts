import type { Accelerator } from '../tools/qemu.ts';
import type { Task } from '../tools/task.ts';
import { bootImage } from './boot-image.ts';
import { type AllowedUnit, checkSystem } from './check-system.ts';

export interface SmokeRequest {
  /** A qcow2; it is not changed. */
  readonly image: string;
  readonly commit: string;
  readonly version: string;
  /** For the boot, until ssh lets us in; and once more for the start-up jobs. */
  readonly timeoutSeconds: number;
  readonly allowDegraded: readonly AllowedUnit[];
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
}

/**
 * Boots an image and looks whether it came up as the right version.
 * @throws NightlyError `gate-failed`, with the path of the serial log; `tool-missing`.
 */
export async function smokeTest(request: SmokeRequest, task: Task): Promise<SmokeResult> {
  const { image, timeoutSeconds } = request;
  const firmware = request.firmware ?? 'bios';
  const serialLog = `${task.logFile.replace(/\.log$/, '')}.serial.log`;
  const vm = await bootImage({ image, timeoutSeconds, serialLog, firmware }, task);
  try {
    task.say(`ssh let us in after ${vm.bootSeconds.toFixed(1)} s`);
    const { commit, version, allowDegraded } = request;
    const system = await checkSystem(vm, { commit, version, allowDegraded, timeoutSeconds }, task);
    task.say(`The system is ${system.state}, on ${version}`);
    return {
      state: system.state,
      failedUnits: system.failedUnits,
      accelerator: vm.accelerator,
      bootSeconds: vm.bootSeconds,
      checkSeconds: system.seconds,
      serialLog,
    };
  } finally {
    await vm.stop();
  }
}
