import { z } from 'zod';
import { didYouMean } from '../base/nearest.ts';
import { block } from './block.ts';
import type { Breach } from './breach.ts';
import { imageTypes } from './image-types.ts';
import { someOf, word } from './values.ts';

const image = word.describe('Name of a folder with an image.yaml, of this project or built-in.');

const smokeTest = block(
  {
    images: someOf(image, 'needs at least one image').optional().describe('Default: all images of the stream.'),
    timeout: z
      .int()
      .min(10)
      .default(300)
      .describe('Seconds without output on the serial line until a boot counts as hung; five times as many in all.'),
    'allow-degraded': z
      .array(block({ unit: z.string().min(1), reason: z.string().min(1, 'say why it may fail') }))
      .prefault([])
      .describe('Units that may fail, each with a reason.'),
  },
  { timeout: 'timeoutSeconds' },
);

/** The `images` key of a stream: names of image types. */
export const imagesSchema = z.array(image).default([]);

/** The `smoke-test` key of a stream. */
export const smokeTestSchema = z
  .union([z.literal(false), smokeTest])
  .prefault(false)
  .describe('Boot images before the build is called tested.');

type Written = z.output<typeof smokeTest>;

export type SmokeTestConfig = Omit<Written, 'images'> & { readonly images: readonly string[] };

/** The smoke test of a stream with these images. */
export function fillSmokeTest(written: false | Written, images: readonly string[]): false | SmokeTestConfig {
  return written === false ? false : { ...written, images: written.images ?? images };
}

interface Parts {
  readonly images: readonly string[];
  readonly smokeTest: false | Written;
}

/** Returns what is wrong with the images of a stream. @param ownTypes folder with image types of the project's own */
export function checkImages({ images, smokeTest: smoke }: Parts, ownTypes: string | undefined): Breach[] {
  const types = imageTypes(ownTypes);
  const breaches = images.flatMap((name, index): Breach[] => {
    const path = ['images', index];
    if (!types.includes(name)) {
      const guess = didYouMean(name, types) || ` Image types here: ${types.join(', ')}.`;
      return [{ path, message: `there is no image type "${name}".${guess}` }];
    }
    return images.indexOf(name) < index ? [{ path, message: `"${name}" is named twice.` }] : [];
  });
  if (smoke === false) return breaches;
  if (images.length === 0) breaches.push({ path: ['smoke-test'], message: 'boots images, but the stream has none.' });
  for (const [index, name] of (smoke.images ?? []).entries()) {
    if (images.includes(name)) continue;
    breaches.push({ path: ['smoke-test', 'images', index], message: `"${name}" is not among the stream's images.` });
  }
  return breaches;
}

/** @param types that are built */
export const imagesTemplate = (name: string, types: string): string => `
    # Images built from each new commit: generic-cloud, vagrant-libvirt, vagrant-virtualbox, iso, and types of your own
    # (see image-templates above).
    images: [${types}]
    # What their file names start with. Default: name as above.
    # image-prefix: CentOS-Atomic-Host-9
    # Name of the Vagrant box. Default: name as above, "-", the stream's name.
    # vagrant-box: ${name}

    # Boot images. When all of them boot, the tested ref moves; an image that does not boot is not published.
    smoke-test: false
    # tested-ref: ${name}/\${basearch}/nightly-tested
    # smoke-test:
    #   images: [generic-cloud]     # default: all of the above
    #   timeout: 300                # seconds without output on the serial line
    #   allow-degraded:
    #     - unit: example.service
    #       reason: needs hardware that a virtual machine does not have
`;
