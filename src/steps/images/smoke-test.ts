import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { smokeTest as bootAndCheck, type SmokeResult } from '../../boot/image-smoke-test.ts';
import type { SmokeTestConfig } from '../../config/config.ts';
import type { TypedImage } from '../../images/image.ts';
import { removeTree } from '../../programs/rm.ts';
import type { Build } from '../../run/build.ts';
import { bootableDisk, machineOf } from './bootable-disk.ts';

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
  const { timeoutSeconds } = settings;
  const scratchDir = join(build.paths.scratch, `smoke-test-${template.name}`);
  await makeFolder(scratchDir);
  try {
    const disk = await bootableDisk(
      { template, file: join(build.paths.dir, image.path), scratchDir, timeoutSeconds },
      task,
    );
    return await bootAndCheck(
      {
        image: disk,
        commit,
        version: build.id,
        timeoutSeconds,
        allowDegraded: settings.allowDegraded,
        healthChecks: template['health-checks'],
        ...(await machineOf(template)),
      },
      task,
    );
  } finally {
    await removeTree(scratchDir, task);
  }
}
