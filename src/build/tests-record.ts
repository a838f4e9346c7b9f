import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfExists, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordFormat, type RecordOf, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import { TESTS_FILE } from './build-files.ts';
import type { BuildPaths } from './build-store.ts';
import { buildId, count, instant, pathBelow, sha256Hex, word } from './record-values.ts';

const result = z.looseObject({
  name: word,
  image: word,
  verdict: z.literal(['passed', 'failed', 'skipped']),
  at: instant,
  seconds: z.number().min(0),
  reboots: count,
  'starts-from': buildId,
  message: z.string().exactOptional(),
  log: pathBelow.exactOptional(),
  'serial-log': pathBelow.exactOptional(),
  artifacts: z.array(pathBelow),
});

const schema = z.looseObject({
  version: z.literal(FORMATS['tests of a build'].newest),
  build: buildId,
  commit: sha256Hex,
  results: z.array(result),
});

/**
 * `tests.json` of a build: what became of the SIG's own tests, each test once for each image type; paths are relative to the
 * build's folder. It is not part of the build's record, since tests may run at any time after the build was published.
 */
const FORMAT = recordFormat({
  version: FORMATS['tests of a build'],
  schema,
  hint: 'Remove it, and run the tests again with "atomic-nightly test".',
});

export type TestsRecord = RecordOf<typeof FORMAT>;
export type TestResult = TestsRecord['results'][number];

/** Reads the text of a `tests.json`. @throws NightlyError `record` */
export function parseTests(content: string | Uint8Array, place: string): TestsRecord {
  return readRecord(content, FORMAT satisfies RecordFormat<TestsRecord>, place);
}

/** Returns the results of a build's tests; undefined where none ran. @throws NightlyError `record` */
export async function readTests({ dir }: Pick<BuildPaths, 'dir'>): Promise<TestsRecord | undefined> {
  const file = join(dir, TESTS_FILE);
  const text = await readTextIfExists(file);
  return text === undefined ? undefined : parseTests(text, file);
}

/** The same for those who only look: damaged ones are as good as none (I15). */
export function testsOrNone(paths: Pick<BuildPaths, 'dir'>): Promise<TestsRecord | undefined> {
  return readTests(paths).catch(() => undefined);
}

/** Puts results into a build's record of tests, in place of earlier ones of the same tests. */
export async function addTests(
  paths: Pick<BuildPaths, 'dir'>,
  { build, commit }: Pick<TestsRecord, 'build' | 'commit'>,
  results: readonly TestResult[],
): Promise<void> {
  const isSame = (one: TestResult, other: TestResult) => one.name === other.name && one.image === other.image;
  const old = ((await testsOrNone(paths))?.results ?? []).filter((one) => !results.some((other) => isSame(one, other)));
  const all = [...old, ...results].toSorted((a, b) => a.image.localeCompare(b.image) || a.name.localeCompare(b.name));
  await writeFileAtomic(join(paths.dir, TESTS_FILE), recordText({ version: 1, build, commit, results: all }, FORMAT));
}
