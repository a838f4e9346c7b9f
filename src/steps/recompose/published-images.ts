import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { dearmored } from '../../base/openpgp-packets.ts';
import { type RecordOf, readRecord, recordFormat } from '../../base/read-record.ts';
import { readPublicFile } from '../../base/secret-file.ts';
import { word } from '../../build/record-values.ts';
import type { ImageFile } from '../../images/image.ts';
import type { ImageTemplate } from '../../images/template/image-template.ts';
import { loadImageTemplate } from '../../images/template/load-template.ts';
import type { PublicFiles } from '../../publish/verify/public-http.ts';
import { keyPath } from '../../published/paths.ts';
import type { PublishedBuild } from './published-build.ts';

/** What goes into files of an image without being quoted: no text of others becomes more than a word in it (I12). */
const line = z
  .string()
  .max(300)
  .regex(/^[\p{L}\p{N} ._:/+@~,()-]*$/u, 'must be plain text');

/** What an image type was filled in with, as the record of somebody else says. */
export const IMAGE_VALUES = recordFormat({
  schema: z.strictObject({
    product: line,
    prefix: line,
    version: line,
    stream: word,
    arch: word,
    ref: line,
    osName: word,
    remoteName: word,
    remoteUrl: line.regex(/^https?:\/\//, 'must be an http or https URL'),
  }),
  hint: 'Ask whoever publishes the build.',
});

/** An image of a published build, with all that it is made from. */
export interface PublishedImage {
  readonly type: string;
  readonly published: ImageFile;
  readonly template: ImageTemplate;
  readonly values: RecordOf<typeof IMAGE_VALUES>;
}

/**
 * Finds what the images of a published build were made from: image types of this program, or of a folder, and what the record says
 * they were filled in with.
 * @param ownTypes folder with image types that do not come with the program
 * @throws NightlyError `usage` where a record does not say enough, or another type has that name here; `record`, `config`.
 */
export async function publishedImages(
  { meta, url }: PublishedBuild,
  ownTypes: string | undefined,
): Promise<readonly PublishedImage[]> {
  const found: PublishedImage[] = [];
  for (const [type, published] of Object.entries(meta.images ?? {})) {
    if (published.values === undefined) {
      throw new NightlyError(
        'usage',
        `The record of build ${meta.buildid} does not say what its image ${type} was filled in with.`,
        {
          hint: 'An earlier version of this program made it. Leave --images out to compare the tree alone.',
        },
      );
    }
    const values = readRecord(JSON.stringify(published.values), IMAGE_VALUES, `${url}: values of the image ${type}`);
    const template = await loadImageTemplate(type, ownTypes, values);
    if (template.digest !== published.templateDigest) {
      throw new NightlyError(
        'usage',
        `The image type ${type} here is not the one that build ${meta.buildid} was made with.`,
        {
          hint: 'Name a folder that has it with --image-types: the "image-templates" of whoever publishes the build, or those of the version of this program that made it.',
        },
      );
    }
    found.push({ type, published, template, values });
  }
  return found;
}

/** Whether an image is the same each time: mkfs.xfs cannot copy a folder in, and the kernel lays files out as it likes. */
export const isReproducible = ({ template }: PublishedImage): boolean => template.disk['root-filesystem'] !== 'xfs';

/**
 * Returns the public key that images of a stream have, as its publisher serves it: it goes into them, and nothing is believed for it.
 * @param gpgKeys where the target does not have it (yet): the one that was given
 * @throws NightlyError `not-found`
 */
export async function imageKeys(
  { meta, url }: PublishedBuild,
  files: PublicFiles,
  gpgKeys: readonly string[],
): Promise<Uint8Array | undefined> {
  if (meta.signedBy === undefined) return undefined;
  const served = await files.get(keyPath(meta.stream));
  if (served !== undefined) return served;
  const [given] = gpgKeys;
  if (given !== undefined && gpgKeys.length === 1)
    return dearmored(await readPublicFile(given, { what: 'public key', code: 'usage', missing: '' }));
  throw new NightlyError('not-found', `${url} has no ${keyPath(meta.stream)}, which its images have in them.`, {
    hint: 'Name the public key of the publisher with --gpg-key, that one alone.',
  });
}
