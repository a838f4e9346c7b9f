import { join } from 'node:path';
import { type BootRequest, bootImage, type Guest, startGuest, type Vm } from '../boot/boot-image.ts';
import { reboot, upgrade } from '../boot/upgrade.ts';
import type { StoredBuild } from '../build/build-store.ts';
import type { Config } from '../config/config.ts';
import { findStream } from '../config/lookup.ts';
import type { Runner } from '../run/runner.ts';
import { bootableDisk, localPorts, machineOf, timeoutOf } from '../steps/images/bootable-disk.ts';
import { keptImage } from '../steps/images/kept-image.ts';

export interface ImageRun {
  readonly config: Config;
  /** What runs in the end. */
  readonly build: StoredBuild;
  /** The build whose image is booted and then upgraded; undefined: that of the build itself. */
  readonly from?: StoredBuild | undefined;
  /** Image type; undefined: the first that boots without being installed. */
  readonly type?: string | undefined;
  /** Undefined: what the image type asks for. */
  readonly memoryMib?: number | undefined;
  /** A folder for what is unpacked, and the logs; the caller removes it. */
  readonly dir: string;
}

/** Returns how a build's image is booted, with its disk unpacked or installed. */
export async function prepareImage(run: ImageRun, runner: Runner): Promise<BootRequest> {
  const { config, build, from = build, dir, type } = run;
  const stream = findStream(config, from.meta.stream);
  const timeoutSeconds = timeoutOf(stream);
  const { template, file } = await keptImage(config, from, type);
  const { memoryMib, ...machine } = await machineOf(template);
  const image = await runner.step('image', {}, (task) =>
    bootableDisk({ template, file, scratchDir: dir, timeoutSeconds }, task),
  );
  return {
    ...{ image, timeoutSeconds, firmware: 'bios', serialLog: join(dir, 'serial.log') },
    ...{ ...machine, memoryMib: run.memoryMib ?? memoryMib, reversePorts: localPorts(stream.remote.url) },
  };
}

/** Boots it, and upgrades it where it is the image of an earlier build. @throws NightlyError `gate-failed`. */
export async function runImage(run: ImageRun, request: BootRequest, runner: Runner): Promise<Vm> {
  const vm = await runner.step('boot', {}, (task) => bootImage(request, task));
  try {
    if (run.from !== undefined) await upgradeTo(run.build, vm, request.timeoutSeconds, runner);
    return vm;
  } catch (error) {
    await vm.stop();
    throw error;
  }
}

/** Switches it on, for somebody who watches it boot. @throws NightlyError `tool-missing`. */
export function switchOn(request: BootRequest, runner: Runner): Promise<Guest> {
  return runner.step('start', {}, (task) => startGuest({ ...request, console: true }, task));
}

async function upgradeTo({ meta }: StoredBuild, vm: Vm, timeoutSeconds: number, runner: Runner): Promise<void> {
  const to = { commit: meta.ostreeCommit ?? '', version: meta.buildid, isOld: true };
  await runner.step('upgrade', {}, async (task) => {
    await upgrade(vm, to, task);
    await reboot(vm, timeoutSeconds, task);
  });
}
