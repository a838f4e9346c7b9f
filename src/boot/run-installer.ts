import { copyFile, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { qemuValue } from '../base/quoting.ts';
import type { Task } from '../base/task.ts';
import { run } from '../programs/exec.ts';
import type { Accelerator } from '../programs/qemu.ts';
import { makeIso } from '../programs/xorriso.ts';
import { findOvmf } from './ovmf.ts';
import { Stalled, whileProgressing } from './patience.ts';
import { machineFault, withoutControl } from './serial-log.ts';

export interface InstallerRun {
  readonly iso: string;
  /** How the machine gets the ISO: in a drive, or written to a stick that looks like a disk. */
  readonly as: 'disc' | 'stick';
  readonly firmware: 'bios' | 'uefi';
  readonly accelerator: Accelerator;
  /** A raw file, the only disk that can be written to: /dev/vda. */
  readonly disk: string;
  /** Lines of the answer file, on a disk of its own. */
  readonly answers: readonly string[];
  /** Without a word on the serial line. */
  readonly timeoutSeconds: number;
  /** Everything it writes to its serial line, however it ends. */
  readonly serialLog: string;
}

/**
 * Boots an installer ISO and waits until it powers the machine off, with its files in `folder`.
 * @returns what it wrote to the serial line
 * @throws NightlyError `gate-failed` with the path of the serial log when it does not end in time; `tool-missing`
 */
export async function runInstaller(request: InstallerRun, folder: string, task: Task): Promise<string> {
  const { serialLog } = request;
  try {
    const limits = { serialLog, seconds: request.timeoutSeconds, consoleFrom: 0 };
    await whileProgressing(limits, task, (watched) => bootInstaller(request, folder, watched));
  } catch (error) {
    if (error instanceof Stalled) {
      throw await machineFault({ serialLog }, `The installer did not power the machine off: ${error.message}.`);
    }
    if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
    throw await machineFault({ serialLog }, `The machine of the installer failed: ${error.message}`);
  }
  return withoutControl(await readFile(serialLog, 'utf8'));
}

async function bootInstaller(request: InstallerRun, folder: string, task: Task): Promise<void> {
  const dir = await mkdtemp(join(folder, 'installer-'));
  await mkdir(join(dir, 'answers'));
  await writeFile(join(dir, 'answers/answers'), `${request.answers.join('\n')}\n`);
  const answers = join(dir, 'answers.iso');
  await makeIso(answers, 'ANSWERS', join(dir, 'answers'), task);
  await run(
    'qemu-system-x86_64',
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35', '-smp', '2', '-m', '1536'],
      ...['-accel', request.accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
      ...['-cpu', request.accelerator === 'kvm' ? 'host' : 'max,la57=off'],
      ...(request.firmware === 'uefi' ? await uefi(dir) : []),
      ...['-drive', `if=none,id=disk,format=raw,cache=unsafe,file=${qemuValue(request.disk)}`],
      ...['-device', 'virtio-blk-pci,drive=disk'],
      ...(request.as === 'stick'
        ? [
            ...['-drive', `if=none,id=stick,format=raw,readonly=on,file=${qemuValue(request.iso)}`],
            // As chosen in the firmware's menu: by itself BIOS tries the first disk only.
            ...['-device', 'virtio-blk-pci,drive=stick,bootindex=0'],
          ]
        : [
            ...['-device', 'virtio-scsi-pci,id=scsi', '-device', 'scsi-cd,bus=scsi.0,drive=disc'],
            ...['-drive', `if=none,id=disc,media=cdrom,readonly=on,file=${qemuValue(request.iso)}`],
          ]),
      ...['-drive', `if=virtio,format=raw,readonly=on,file=${qemuValue(answers)}`],
      ...['-device', 'virtio-rng-pci', '-serial', `file:${request.serialLog}`],
    ],
    { task },
  );
}

async function uefi(dir: string): Promise<string[]> {
  const firmware = await findOvmf();
  const variables = join(dir, 'variables.fd');
  await copyFile(firmware.variables, variables);
  return [
    ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${qemuValue(firmware.code)}`],
    ...['-drive', `if=pflash,format=raw,unit=1,file=${qemuValue(variables)}`],
  ];
}
