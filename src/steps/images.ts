import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { smokeTest as bootAndCheck, type SmokeResult } from '../boot/smoke-test.ts';
import type { ImageName, SmokeTestConfig } from '../config/config.ts';
import { genericCloud } from '../images/generic-cloud.ts';
import type { ImageFile, ImageType } from '../images/image.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Task } from '../tools/task.ts';

const imageTypes: Readonly<Record<ImageName, { readonly type: ImageType; readonly suffix: string }>> = {
  'generic-cloud': { type: genericCloud(), suffix: 'GenericCloud.qcow2' },
};

/** Builds one image of a commit into the build's images folder. The record's path is relative to the build's folder. */
export async function buildImage(
  project: Project,
  build: Build,
  name: ImageName,
  commit: string,
  task: Task,
): Promise<ImageFile> {
  const { type, suffix } = imageTypes[name];
  const scratchDir = join(build.paths.scratch, name);
  await mkdir(scratchDir, { recursive: true });
  await mkdir(build.paths.images, { recursive: true });
  const fileName = `${project.config.name}-${build.id}-${suffix}`;
  const image = await type.build(
    {
      repo: project.repo,
      commit,
      ref: project.ref,
      version: build.id,
      osName: project.stream.osName,
      remote: project.stream.remote,
      outputDir: build.paths.images,
      fileName,
      scratchDir,
      timestamp: build.timestamp,
    },
    task,
  );
  await rm(scratchDir, { recursive: true, force: true });
  return { ...image, path: `images/${fileName}` };
}

/** Boots an image and looks whether it came up as the right version. @throws NightlyError `gate-failed`. */
export async function smokeTest(
  build: Build,
  image: ImageFile,
  commit: string,
  settings: SmokeTestConfig,
  task: Task,
): Promise<SmokeResult> {
  return bootAndCheck(
    {
      image: join(build.paths.dir, image.path),
      commit,
      version: build.id,
      timeoutSeconds: settings.timeoutSeconds,
      allowDegraded: settings.allowDegraded,
    },
    task,
  );
}
