import pLimit from 'p-limit';
import { NightlyError } from '../base/errors.ts';
import { testsFor } from '../boot/guest-tests/guest-plan.ts';
import { readTestFolder, type TestFolder } from '../boot/guest-tests/test-folder.ts';
import type { BuildFailure } from '../build/build-record.ts';
import { IMAGE } from '../build/build-record-format.ts';
import { readMeta } from '../build/build-store.ts';
import { addTests, type TestResult } from '../build/tests-record.ts';
import { formatOf } from '../images/formats.ts';
import { withTemplates } from '../images/image.ts';
import type { ImageTemplate } from '../images/template/image-template.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { type ImageTests, testImage } from '../steps/images/guest-tests.ts';
import type { BuiltImage, ImageSet } from '../steps/images/images.ts';
import { sortImages } from './make-images.ts';
import { sideBySide } from './side-by-side.ts';

export interface GuestTestsGate {
  /** Image types that failed a test. */
  readonly failed: readonly string[];
  readonly failures: readonly BuildFailure[];
}

/**
 * Runs the SIG's own tests on the images that booted, where the stream makes them a gate: a step for each image type, all of
 * them together with no more guests at once than the stream allows.
 */
export async function guestTests(
  project: Project,
  build: Build,
  { set, images, commit }: { readonly set: ImageSet; readonly images: readonly BuiltImage[]; readonly commit: string },
  runner: Runner,
): Promise<GuestTestsGate> {
  const { config, stream } = project;
  if (!stream.tests?.gate) return { failed: [], failures: [] };
  const folder = await readTestFolder(stream.tests.dir);
  const byDefault = firstDisk(set.templates);
  const stored = { paths: build.paths, meta: { ...(await readMeta(build.paths)), ostreeCommit: commit } };
  const run = createTestRun({ config, stored, folder, parallel: stream.tests.parallel });
  const wanted = withTemplates(set.templates, sortImages(images, []).images)
    .map((one) => ({ ...one, tests: testsFor(folder.tests, one.template.name, byDefault) }))
    .filter(({ tests }) => tests.length > 0);
  const { results, failures } = await sideBySide(wanted, async ({ template, image, tests }) => {
    const input = { image: IMAGE.encode(image), tests: folder.digest };
    const file = `${build.paths.dir}/${image.path}`;
    await runner.step(`test-${template.name}`, input, async (task) => {
      const failed = (await run({ image: { template, file }, tests }, task)).filter(isFailed);
      if (failed.length > 0) throw failedTests(failed, tests.length);
    });
    return template.name;
  });
  const failed = wanted.map(({ template }) => template.name).filter((name) => !results.includes(name));
  return { failed, failures };
}

type TestRun = (
  request: Pick<ImageTests, 'image' | 'tests'>,
  task: Parameters<typeof testImage>[1],
) => Promise<readonly TestResult[]>;

/** Returns what runs tests on images of a build side by side, and records how each ended. */
export function createTestRun({
  folder,
  parallel,
  ...about
}: Pick<ImageTests, 'config' | 'stored'> & { readonly folder: TestFolder; readonly parallel: number }): TestRun {
  const atATime = pLimit(parallel);
  // Image types that end at once would lose each other's results.
  const oneAtATime = pLimit(1);
  const { buildid: build, ostreeCommit: commit = '' } = about.stored.meta;
  return async (request, task) => {
    const results = await testImage({ ...about, ...request, data: folder.data, atATime }, task);
    await oneAtATime(() => addTests(about.stored.paths, { build, commit }, results));
    return results;
  };
}

/** Returns the image type that tests run on which name none. */
export function firstDisk(templates: readonly ImageTemplate[]): string | undefined {
  return templates.find((one) => formatOf(one).kind === 'disk')?.name;
}

/** Whether a test failed; one that was left out did not. */
export const isFailed = ({ verdict }: TestResult): boolean => verdict === 'failed';

function failedTests(failed: readonly TestResult[], count: number): NightlyError {
  const lines = failed.map(({ name, message = '' }) => `${name}: ${message.replaceAll('\n', '\n  ')}`);
  return new NightlyError('gate-failed', [`${failed.length} of ${count} tests failed.`, ...lines].join('\n'), {
    hint: `Their logs are in the build's folder: ${failed.map(({ log, serialLog }) => log ?? serialLog).join(', ')}.`,
  });
}
