import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { chooseAccelerator } from '../../boot/accelerator.ts';
import { smokeTest as bootAndCheck, type SmokeResult } from '../../boot/image-smoke-test.ts';
import { runInstaller } from '../../boot/run-installer.ts';
import type { SmokeTestConfig } from '../../config/config.ts';
import { formatOf } from '../../images/formats.ts';
import type { TypedImage } from '../../images/image.ts';
import { type ImageTemplate, sizeBytes, templateFile } from '../../images/template/image-template.ts';
import { removeTree } from '../../programs/rm.ts';
import type { Build } from '../../run/build.ts';

/**
 * Boots an image and looks whether it came up as the right version; an ISO is installed first.
 * @throws NightlyError `gate-failed`.
 */
export async function smokeTest(
  build: Build,
  { template, image }: TypedImage,
  commit: string,
  settings: SmokeTestConfig,
  task: Task,
): Promise<SmokeResult> {
  const { machine, login } = template;
  const format = formatOf(template);
  const scratchDir = join(build.paths.scratch, `smoke-test-${template.name}`);
  await makeFolder(scratchDir);
  try {
    const file = join(build.paths.dir, image.path);
    const disk =
      format.kind === 'installer'
        ? await install(file, { template, scratchDir, timeoutSeconds: settings.timeoutSeconds }, task)
        : await format.bootDisk(file, scratchDir, task);
    const key = login && (await templateFile(template, login['private-key'], {})).toString('utf8');
    return await bootAndCheck(
      {
        image: disk,
        commit,
        version: build.id,
        timeoutSeconds: settings.timeoutSeconds,
        allowDegraded: settings.allowDegraded,
        healthChecks: template['health-checks'],
        login: login === undefined || key === undefined ? undefined : { user: login.user, privateKey: key },
        cpus: machine.cpus,
        memoryMib: sizeBytes(machine.memory) / 1024 ** 2,
      },
      task,
    );
  } finally {
    await removeTree(scratchDir, task);
  }
}

/** The line with which the installer says that it is done. */
const DONE = /^ATOMIC-INSTALL-DONE: /m;

/** Installs from an ISO to an empty disk, unattended. @returns the disk. */
async function install(
  iso: string,
  about: { readonly template: ImageTemplate; readonly scratchDir: string; readonly timeoutSeconds: number },
  task: Task,
): Promise<string> {
  const { template, scratchDir, timeoutSeconds } = about;
  if (template['boot-iso'] !== undefined) {
    throw new NightlyError(
      'unsupported',
      'The smoke test cannot answer for Anaconda: it installs with the built-in installer only.',
      {
        hint: `Leave ${template.name} out of "smoke-test: images".`,
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
