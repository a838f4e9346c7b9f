import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { didYouMean } from '../../base/nearest.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import type { Config } from '../../config/config.ts';
import { findStream } from '../../config/lookup.ts';
import { formatOf } from '../../images/formats.ts';
import type { ImageTemplate } from '../../images/template/image-template.ts';
import { loadImageTemplate } from '../../images/template/load-template.ts';
import { templateValues } from '../../images/template/template-values.ts';

/** An image of a build in the work folder, and its type as it is filled in for that build. */
export interface KeptImage {
  readonly template: ImageTemplate;
  /** Its path. */
  readonly file: string;
}

/**
 * Returns an image of a build, published or refused by a gate.
 * @param type default: the first whose disk boots without being installed
 * @throws NightlyError `usage` when the build has none of that type; `not-found` when its file is not here any more.
 */
export async function keptImage(config: Config, { meta, paths }: StoredBuild, type?: string): Promise<KeptImage> {
  const id = meta.buildid;
  const images = { ...meta.refusedImages, ...meta.images };
  const names = Object.keys(images);
  const templates = await Promise.all(names.map((name) => templateOf(config, meta, name)));
  const wanted =
    type === undefined
      ? (templates.find((one) => formatOf(one).kind === 'disk') ?? templates[0])
      : templates.find(({ name }) => name === type);
  const image = images[wanted?.name ?? ''];
  if (!wanted || !image) {
    const what = type === undefined ? 'no image' : `no image "${type}".${didYouMean(type, names)}`;
    throw new NightlyError('usage', `Build ${id} has ${what}${type === undefined ? '.' : ''}`, {
      hint: names.length === 0 ? `Run "atomic-nightly show ${id}" to see why.` : `It has ${names.join(', ')}.`,
    });
  }
  const file = join(paths.dir, image.path);
  if (existsSync(file)) return { template: wanted, file };
  throw new NightlyError('not-found', `The image ${wanted.name} of build ${id} is not in the work folder any more.`, {
    hint: `Run "atomic-nightly images ${id}" to make it again from the commit.`,
  });
}

/** Returns all images of a build whose files are here. */
export async function keptImages(config: Config, { meta, paths }: StoredBuild): Promise<KeptImage[]> {
  const images = Object.entries({ ...meta.refusedImages, ...meta.images });
  const found = await Promise.all(
    images.map(async ([name, { path }]) => ({
      template: await templateOf(config, meta, name),
      file: join(paths.dir, path),
    })),
  );
  return found.filter(({ file }) => existsSync(file));
}

function templateOf(config: Config, { stream: name, ref, buildid }: StoredBuild['meta'], type: string) {
  const stream = findStream(config, name);
  return loadImageTemplate(type, config.imageTemplates, templateValues(config, stream, ref, buildid));
}
