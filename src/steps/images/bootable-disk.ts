import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { isLocal } from '../../base/server-time.ts';
import type { Task } from '../../base/task.ts';
import { chooseAccelerator } from '../../boot/accelerator.ts';
import type { Login } from '../../boot/boot-image.ts';
import { runInstaller } from '../../boot/run-installer.ts';
import type { StreamConfig } from '../../config/config.ts';
import { formatOf } from '../../images/formats.ts';
import { type ImageTemplate, sizeBytes, templateFile } from '../../images/template/image-template.ts';

/** An image of a build, as it is published. */
export interface Packed {
  readonly template: ImageTemplate;
  /** Its path. */
  readonly file: string;
  /** A folder for what is unpacked or installed. */
  readonly scratchDir: string;
  /** Seconds without output on the installer's serial line. */
  readonly timeoutSeconds: number;
}

/**
 * Returns a disk that QEMU can boot: that of the image, or one that it was installed to.
 * @throws NightlyError `image`, `gate-failed` when the installer fails, `unsupported` for Anaconda.
 */
export async function bootableDisk(packed: Packed, task: Task): Promise<string> {
  const format = formatOf(packed.template);
  if (format.kind === 'installer') return install(packed, task);
  return format.bootDisk(packed.file, packed.scratchDir, task);
}

/** What a machine of an image type is given, and who logs in to it. */
export interface Machine {
  readonly cpus: number;
  readonly memoryMib: number;
  /** Undefined: a user that cloud-init makes. */
  readonly login: Login | undefined;
}

/** Returns the machine that an image type asks for. @throws NightlyError `image` when its key is missing. */
export async function machineOf(template: ImageTemplate): Promise<Machine> {
  const { machine, login } = template;
  const key = login && (await templateFile(template, login['private-key'], {})).toString('utf8');
  return {
    cpus: machine.cpus,
    memoryMib: sizeBytes(machine.memory) / 1024 ** 2,
    login: login === undefined || key === undefined ? undefined : { user: login.user, privateKey: key },
  };
}

/** Seconds without output on the serial line, where the stream does not say. */
const TIMEOUT_SECONDS = 300;

/** Returns the seconds of silence after which a boot of a stream's image counts as hung. */
export function timeoutOf({ smokeTest }: Pick<StreamConfig, 'smokeTest'>): number {
  return smokeTest === false ? TIMEOUT_SECONDS : smokeTest.timeoutSeconds;
}

/** Returns the port of a URL that only programs on this machine reach: guests reach it through ssh. */
export function localPorts(url: string): number[] {
  const { hostname, port, protocol } = new URL(url);
  return isLocal(hostname) ? [Number(port || (protocol === 'https:' ? 443 : 80))] : [];
}

/** The line with which the installer says that it is done. */
const DONE = /^ATOMIC-INSTALL-DONE: /m;

/** Installs from an ISO to an empty disk, unattended. @returns the disk. */
async function install({ template, file: iso, scratchDir, timeoutSeconds }: Packed, task: Task): Promise<string> {
  if (template['boot-iso'] !== undefined) {
    throw new NightlyError(
      'unsupported',
      'Nobody here can answer for Anaconda: only the built-in installer installs by itself.',
      {
        hint: `Leave ${template.name} out of "smoke-test: images", or boot another image.`,
      },
    );
  }
  const disk = join(scratchDir, 'installed.raw');
  await writeFile(disk, '');
  await truncate(disk, sizeBytes(template.disk.size));
  const accelerator = await chooseAccelerator(task);
  task.say(`Installing from ${iso} to an empty disk of ${template.disk.size}`);
  const serialLog = task.logFile.replace(/\.log$/, '.install.serial.log');
  const machine = { as: 'disc', firmware: 'bios', accelerator, disk, timeoutSeconds, serialLog } as const;
  const serial = await runInstaller(
    { ...machine, iso, answers: ['disk vda', 'hostname smoke-test'] },
    scratchDir,
    task,
  );
  if (DONE.test(serial)) return disk;
  const last = serial.trim().split('\n').slice(-12).join('\n  ');
  throw new NightlyError(
    'gate-failed',
    `The installer did not say that it is done. Last on its serial line:\n  ${last}`,
    {
      log: serialLog,
      hint: 'The full serial output is in the file named.',
    },
  );
}
