import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { formatSeconds } from '../../base/format.ts';
import { didYouMean } from '../../base/nearest.ts';
import { tableLines } from '../../base/table.ts';
import { testsFor } from '../../boot/guest-tests/guest-plan.ts';
import { type GuestTest, readTestFolder } from '../../boot/guest-tests/test-folder.ts';
import { endStaleMachines } from '../../boot/stale-machines.ts';
import { TESTS_FOLDER } from '../../build/build-files.ts';
import { findBuild, type StoredBuild } from '../../build/build-store.ts';
import { EXIT } from '../../build/outcomes.ts';
import type { TestResult } from '../../build/tests-record.ts';
import { loadConfig } from '../../config/load.ts';
import { findStream } from '../../config/lookup.ts';
import { createTestRun, firstDisk, isFailed } from '../../pipelines/guest-tests.ts';
import { sideBySide } from '../../pipelines/side-by-side.ts';
import { keptImages } from '../../steps/images/kept-image.ts';
import { defineCommand } from '../define.ts';
import { flag, optionalWithDefault, text, words } from '../inputs.ts';
import { testsReport } from '../junit.ts';
import { preparationTask } from '../open-run.ts';
import { type Printer, printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/**
 * `atomic-nightly test BUILD`: runs the SIG's own tests in guests booted from the images of a build that are in the work
 * folder, and records how each ended. Gives the exit code.
 * @throws NightlyError `usage`, `config`, `not-found`.
 */
export const test = defineCommand({
  name: 'test',
  section: 'Nightly builds',
  summary: "run the SIG's own tests in guests booted from a build's images",
  arguments: { build: optionalWithDefault('BUILD', 'build id', 'latest', 'build') },
  options: {
    only: words('NAME', 'only these tests'),
    tag: words('TAG', 'only tests with one of these tags'),
    parallel: text('COUNT', 'guests at once; default: as the stream says'),
    json: flag('the results, for scripts'),
  },
  exitCodes: { 12: 'a test failed' },
  notes:
    'The tests are in the folder that "tests" of the stream names: docs/tests.md. Results, logs and artifacts are kept in the folder of the build, with a JUnit report.',
  examples: [
    'atomic-nightly test latest',
    'atomic-nightly test 20261121_02 --only upgrade rollback',
    'atomic-nightly test latest:nightly --tag quick --json',
  ],
  interruptible: true,
  async run({ build: id, only, tag, parallel, json }, context) {
    const { config: path, signal, print } = context;
    const config = await loadConfig(path);
    const stored = await findBuild(config.work, id);
    const stream = findStream(config, stored.meta.stream);
    if (stream.tests === undefined) {
      throw new NightlyError('config', `Stream "${stream.name}" has no tests of its own.`, {
        hint: 'Write "tests: {dir: ./tests}" into the stream: docs/tests.md, examples/tests/.',
        place: config.placeOf('streams', stream.name),
      });
    }
    const folder = await readTestFolder(stream.tests.dir);
    const chosen = choose(folder.tests, only, tag);
    await endStaleMachines(preparationTask({ config }, signal));
    const images = await keptImages(config, stored);
    const byDefault = firstDisk(images.map(({ template }) => template));
    const count = parallel === undefined ? stream.tests.parallel : countOf(parallel);
    const run = createTestRun({ config, stored, folder, parallel: count });
    const wanted = images
      .map((image) => ({ image, tests: testsFor(chosen, image.template.name, byDefault) }))
      .filter(({ tests }) => tests.length > 0);
    if (wanted.length === 0) throw nothingToRun(stored);
    const about = { build: stored.meta.buildid, stream: stream.name };
    const { results, errors } = await withSteps(stored.paths.dir, { ...context, about }, (runner) =>
      sideBySide(wanted, ({ image, tests }) =>
        runner.step(`test-${image.template.name}`, {}, (task) => run({ image, tests }, task)),
      ),
    );
    const [error] = errors;
    if (error) throw error;
    const all = results.flat();
    await writeFileAtomic(join(stored.paths.dir, TESTS_FOLDER, 'junit.xml'), await testsReport(stored));
    if (json) printJson(all.map(storedResult), print);
    else printResults(all, stored, print);
    return all.some(isFailed) ? EXIT.gateFailed : EXIT.done;
  },
});

function countOf(written: string): number {
  if (/^[1-9]\d?$/.test(written)) return Number(written);
  throw new NightlyError('usage', `--parallel is "${written}", not a number of guests.`, {
    hint: 'As in --parallel 4.',
  });
}

function choose(tests: readonly GuestTest[], only: readonly string[], tags: readonly string[]): readonly GuestTest[] {
  const names = tests.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new NightlyError('usage', `There is no test "${unknown}".${didYouMean(unknown, names)}`, {
      hint: `Tests here: ${names.join(', ') || 'none'}.`,
    });
  }
  const isNamed = ({ name }: GuestTest) => only.length === 0 || only.includes(name);
  const isTagged = (test: GuestTest) => tags.length === 0 || tags.some((tag) => test.tags.includes(tag));
  return tests.filter((test) => isNamed(test) && isTagged(test));
}

function nothingToRun({ meta }: StoredBuild): NightlyError {
  return new NightlyError('usage', `No test is for an image of build ${meta.buildid} that is in the work folder.`, {
    hint: `It has ${Object.keys({ ...meta.refusedImages, ...meta.images }).join(', ') || 'no image'}; "images" of a test's declaration names those it is for.`,
  });
}

const storedResult = ({ startsFrom, serialLog, ...rest }: TestResult): object => ({
  ...rest,
  'starts-from': startsFrom,
  ...(serialLog !== undefined && { 'serial-log': serialLog }),
});

function printResults(results: readonly TestResult[], { paths }: StoredBuild, print: Printer): void {
  const rows = results.map(({ verdict, name, image, seconds, reboots, message = '' }) => [
    ...[verdict, name, image, formatSeconds(seconds), String(reboots)],
    message.split('\n')[0] ?? '',
  ]);
  for (const line of tableLines([['RESULT', 'TEST', 'IMAGE', 'TIME', 'REBOOTS', ''], ...rows])) print(line);
  for (const { log, serialLog, ...one } of results.filter(isFailed))
    print(`${one.name}: ${join(paths.dir, log ?? serialLog ?? '')}`);
}
