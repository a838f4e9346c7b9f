import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComposeRebuild } from '../attest/compose-rebuild.ts';
import { buildImage } from '../images/build-image.ts';
import type { ImageSource } from '../images/image.ts';
import { type Base, makeBase } from '../images/image-base.ts';
import type { Runner } from '../run/runner.ts';
import type { PublishedBuild } from '../steps/recompose/published-build.ts';
import { type PullTo, pullWhole } from '../steps/recompose/published-commit.ts';
import type { PublishedImage } from '../steps/recompose/published-images.ts';

/** What images are made again with. */
export interface ImagesRequest {
  readonly build: PublishedBuild;
  readonly pullTo: PullTo;
  /** Public key that hosts verify with, where the stream signs. */
  readonly keys: Uint8Array | undefined;
  /** Folder that keeps what differs, as `images/FILE`. */
  readonly work: string;
}

/** How an image came out. */
type RemadeImage = NonNullable<ComposeRebuild['images']>[number];

/**
 * Makes the images of a published build again from its commit, a step each, and compares what is in them: the disk, or the file itself
 * where there is none, by `uncompressed-sha256`. One that comes out otherwise stays in the folder.
 * @throws what making an image throws
 */
export async function rebuildImages(
  { build, pullTo, keys, work }: ImagesRequest,
  images: readonly PublishedImage[],
  runner: Runner,
): Promise<RemadeImage[]> {
  if (images.length === 0) return [];
  await runner.step('whole-commit', {}, (task) => pullWhole(build, pullTo, task));
  let base: Promise<Base> | undefined;
  const made: RemadeImage[] = [];
  for (const { type, published, template, values } of images) {
    const { osName, remoteName: name, remoteUrl: url } = values;
    const source: ImageSource = {
      ...{ repo: pullTo.repo, commit: build.commit, ref: build.meta.ref, version: build.meta.buildid, osName },
      remote: { name, url, keys },
      timestamp: Date.parse(build.meta.ostreeTimestamp) / 1000,
      scratchDir: join(work, 'scratch/images'),
    };
    const rebuilt = await runner.step(`image-${type}`, {}, async (task) => {
      const request = { ...source, template, values, outputDir: join(work, 'images') };
      const image = await buildImage(request, () => (base ??= makeBase(source, task)), task);
      if (image.uncompressedSha256 === published.uncompressedSha256) await rm(image.path);
      else
        task.say(`${type} differs: ${image.path} has ${image.bootLoader}, the published one ${published.bootLoader}`);
      return image.uncompressedSha256;
    });
    made.push({ type, published: published.uncompressedSha256, rebuilt });
  }
  return made;
}
