import pLimit from 'p-limit';
import type { SmokeResult } from '../boot/image-smoke-test.ts';
import type { BuildFailure } from '../build/build-record.ts';
import { IMAGE } from '../build/build-record-format.ts';
import { withTemplates } from '../images/image.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import type { BuiltImage, ImageSet } from '../steps/images/images.ts';
import { smokeTest } from '../steps/images/smoke-test.ts';
import { sortImages } from './make-images.ts';
import { sideBySide } from './side-by-side.ts';

export interface SmokeTests {
  /** Results of the images that booted, keyed by image type. */
  readonly tests: Readonly<Record<string, SmokeResult>>;
  /** Image types that did not. */
  readonly failed: readonly string[];
  readonly failures: readonly BuildFailure[];
}

/** Boots the images that the stream wants tested, one after the other: side by side they would only slow each other down. */
export async function smokeTests(
  project: Project,
  build: Build,
  { set, images, commit }: { readonly set: ImageSet; readonly images: readonly BuiltImage[]; readonly commit: string },
  runner: Runner,
): Promise<SmokeTests> {
  const gate = project.stream.smokeTest;
  if (gate === false) return { tests: {}, failed: [], failures: [] };
  const oneAtATime = pLimit(1);
  const wanted = withTemplates(set.templates, sortImages(images, []).images).filter(({ template }) =>
    gate.images.includes(template.name),
  );
  const { results, failures } = await sideBySide(wanted, (one) =>
    oneAtATime(async () => {
      const { name } = one.template;
      const input = { image: IMAGE.encode(one.image), gate };
      const result = await runner.step(`smoke-test-${name}`, input, (task) =>
        smokeTest(build, one, commit, gate, task),
      );
      return { name, result };
    }),
  );
  const tests = Object.fromEntries(results.map(({ name, result }) => [name, result]));
  return {
    tests,
    failed: wanted.map(({ template }) => template.name).filter((name) => !(name in tests)),
    failures,
  };
}
