import { IMAGE } from '../build/build-record-format.ts';
import type { ImageFile } from '../images/image.ts';
import type { ImageTemplate } from '../images/template/image-template.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { statementIsThere, writeImageStatement } from '../steps/deliver/attest.ts';
import { type BuiltImage, type ImageSet, imageIsThere } from '../steps/images/images.ts';
import { type Settled, sideBySide } from './side-by-side.ts';

/** Makes images of a build side by side, a step each; one that is there with the same inputs is not made again. */
export function makeImages(
  build: Build,
  set: ImageSet,
  templates: readonly ImageTemplate[],
  runner: Runner,
): Promise<Settled<BuiltImage>> {
  return sideBySide(templates, async (template): Promise<BuiltImage> => {
    const { name } = template;
    const { image } = await runner.step(
      `image-${name}`,
      set.inputs(template),
      async (task) => ({ name, image: IMAGE.encode(await set.build(template, task)) }),
      ({ image }) => imageIsThere(build, IMAGE.decode(image)),
    );
    return { name, image: IMAGE.decode(image) };
  });
}

/** Has a signed statement made of each image, a step each, where the stream asks for statements. */
export function stateImages(
  project: Project,
  build: Build,
  images: readonly BuiltImage[],
  runner: Runner,
): Promise<Settled<BuiltImage>> {
  const configured = project.stream.attestations?.statement;
  return sideBySide(images, async (built): Promise<BuiltImage> => {
    if (configured === undefined) return built;
    const { name } = built;
    const { image } = await runner.step(
      `statement-${name}`,
      { image: IMAGE.encode(built.image), configured },
      async (task) => ({ name, image: IMAGE.encode(await writeImageStatement(project, build, built, task)) }),
      ({ image }) => statementIsThere(build, IMAGE.decode(image)),
    );
    return { name, image: IMAGE.decode(image) };
  });
}

/** Images by type, as a record has them: those to be published, and those that did not come up and stay here. */
export function sortImages(
  images: readonly BuiltImage[],
  failed: readonly string[],
): { readonly images: Record<string, ImageFile>; readonly refused: Record<string, ImageFile> } {
  const byType = (cameUp: boolean) =>
    Object.fromEntries(
      images.filter(({ name }) => failed.includes(name) !== cameUp).map(({ name, image }) => [name, image]),
    );
  return { images: byType(true), refused: byType(false) };
}
