import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { smokeTest as bootAndCheck, type SmokeResult } from '../boot/smoke-test.ts';
import type { SmokeTestConfig } from '../config/config.ts';
import { diskOfImage } from '../images/disk-of-image.ts';
import type { ImageFile } from '../images/image.ts';
import { type ImageTemplate, sizeBytes, templateFile } from '../images/template/load.ts';
import type { Build } from '../run/build.ts';
import { removeTree } from '../tools/rm.ts';
import type { Task } from '../tools/task.ts';

/** Boots an image and looks whether it came up as the right version. @throws NightlyError `gate-failed`. */
export async function smokeTest(
  build: Build,
  { template, image }: { readonly template: ImageTemplate; readonly image: ImageFile },
  commit: string,
  settings: SmokeTestConfig,
  task: Task,
): Promise<SmokeResult> {
  const { machine, login } = template;
  const scratchDir = join(build.paths.scratch, `smoke-test-${template.name}`);
  await mkdir(scratchDir, { recursive: true });
  try {
    const disk = await diskOfImage(join(build.paths.dir, image.path), template.format, scratchDir, task);
    const key = login && (await templateFile(template, login['private-key'], {})).toString('utf8');
    return await bootAndCheck(
      {
        image: disk,
        commit,
        version: build.id,
        timeoutSeconds: settings.timeoutSeconds,
        allowDegraded: settings.allowDegraded,
        healthChecks: template['health-checks'],
        ...(login === undefined || key === undefined ? {} : { login: { user: login.user, privateKey: key } }),
        cpus: machine.cpus,
        memoryMib: sizeBytes(machine.memory) / 1024 ** 2,
      },
      task,
    );
  } finally {
    await removeTree(scratchDir, task);
  }
}
