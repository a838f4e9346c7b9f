import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { sha256 } from '../../base/files.ts';
import { quietTask, type Task } from '../../base/task.ts';
import { buildImage } from '../../images/build-image.ts';
import type { ImageFile, ImageSource } from '../../images/image.ts';
import { type Base, makeBase } from '../../images/image-base.ts';
import type { ImageTemplate } from '../../images/template/image-template.ts';
import { loadImageTemplate } from '../../images/template/load-template.ts';
import { templateValues } from '../../images/template/template-values.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';

export interface BuiltImage {
  /** Name of the image type. */
  readonly name: string;
  readonly image: ImageFile;
}

/** The images of a build, for one run. */
export interface ImageSet {
  readonly templates: readonly ImageTemplate[];
  /** What a type's image depends on: equal inputs, and the one there is need not be made again. */
  inputs(template: ImageTemplate): unknown;
  /** Builds one into the build's images folder. The record's path is relative to the build's folder. */
  build(template: ImageTemplate, task: Task): Promise<ImageFile>;
}

/**
 * Reads the stream's image types, filled in for a build's commit.
 * @throws NightlyError `config`, `image`.
 */
export async function openImages(project: Project, build: Build, commit: string): Promise<ImageSet> {
  const { config, stream, signer } = project;
  const keys = await signer?.publicKey(quietTask());
  const source: ImageSource = {
    repo: project.repo,
    commit,
    ref: project.ref,
    version: build.id,
    osName: stream.osName,
    remote: { ...stream.remote, keys },
    timestamp: build.timestamp,
    scratchDir: join(build.paths.scratch, 'images'),
  };
  const values = templateValues(config, stream, project.ref, build.id);
  const load = (name: string) => loadImageTemplate(name, config.imageTemplates, values);
  const templates = await Promise.all(stream.images.map(load));
  // The first image that is really built makes what they share; the others wait for it.
  let base: Promise<Base> | undefined;
  const atATime = pLimit(Math.max(2, availableParallelism()));
  return {
    templates,
    inputs: ({ digest }) => ({ commit, digest, values, ...(keys === undefined ? {} : { keys: sha256(keys) }) }),
    build: (template, task) =>
      atATime(async () => {
        const request = { ...source, template, values, outputDir: build.paths.images };
        const image = await buildImage(request, () => (base ??= makeBase(source, task)), task);
        return { ...image, path: `images/${template['file-name']}` };
      }),
  };
}

/** Whether a recorded image is still in the work folder; retention may have removed it. */
export async function imageIsThere(build: Build, image: ImageFile): Promise<boolean> {
  const found = await stat(join(build.paths.dir, image.path)).catch(() => undefined);
  return found?.size === image.size;
}
