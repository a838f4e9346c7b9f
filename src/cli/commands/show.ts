import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { readTextIfExists, writeFileAtomic } from '../../base/files.ts';
import { capital, formatBytes, formatCount, formatMomentAndAge, formatSeconds } from '../../base/format.ts';
import { ageOf, currentState, promotedText, promotedTo, testsText } from '../../build/about-build.ts';
import { PROVENANCE_FILE } from '../../build/build-files.ts';
import type { BuildMeta, InputsRecord } from '../../build/build-record.ts';
import { type BuildPaths, findBuild, type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { surveyTags, tagsOf } from '../../build/build-tags.ts';
import { engineText } from '../../build/engine-text.ts';
import { type PrintableBuild, printedBuild } from '../../build/printed-build.ts';
import { rebuiltText } from '../../build/rebuilds.ts';
import { testsOrNone } from '../../build/tests-record.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { parseProvenance } from '../../engines/provenance/provenance-format.ts';
import { findUpdates } from '../../pipelines/find-updates.ts';
import { knownDistance } from '../../pipelines/known-distance.ts';
import { formatDiff, partNames } from '../../rpm/pkgdiff.ts';
import { isRunLockHeld } from '../../run/run-lock.ts';
import { advisoryLines } from '../advisory-lines.ts';
import { defineCommand } from '../define.ts';
import { flag, negation, optionalWithDefault, text } from '../inputs.ts';
import { junitReport } from '../junit.ts';
import { preparationTask } from '../open-run.ts';
import { printJson } from '../print.ts';
import { showChangelogs } from '../show-changelogs.ts';
import { promotionFacts, updateLines } from '../show-promotion.ts';
import { stateText } from '../state-text.ts';

/**
 * `atomic-nightly show BUILD`: one build: its commit, what changed, its images, how long each step took, what it was
 * promoted to, and whether there are security updates since. Gives the exit code.
 */
export const show = defineCommand({
  name: 'show',
  section: 'Looking at builds',
  summary: 'show one build: commit, package changes, images, times, promotions, and security updates since',
  arguments: { build: optionalWithDefault('BUILD', 'build id', '-1', 'build') },
  options: {
    updates: negation('do not ask the repositories for newer packages'),
    changelog: flag('show instead what the changelogs of the upgraded packages say, from their RPMs or repositories'),
    since: text('BUILD', 'with --changelog: since that build, in place of the one before', { completes: 'build' }),
    junit: text('FILE', 'write steps and smoke tests as a JUnit report instead', { completes: 'file' }),
    json: flag('the record, for scripts'),
  },
  examples: [
    'atomic-nightly show 20261121_02',
    'atomic-nightly show 20261121_02 --changelog --since released',
    'atomic-nightly show 20261121_02 --junit reports/20261121_02.xml',
  ],
  interruptible: true,
  async run({ build: id, json, ...options }, { config: path, signal, print }) {
    const config = await loadConfig(path);
    const { work } = config;
    const stored = await findBuild(work, id);
    const { meta, paths } = stored;
    if (options.since !== undefined && !options.changelog) {
      throw new NightlyError('usage', '--since goes with --changelog.', {
        hint: `"atomic-nightly diff A B" compares packages.`,
      });
    }
    if (options.changelog) {
      await showChangelogs(config, stored, { since: options.since, json, signal }, print);
      return 0;
    }
    if (options.junit !== undefined) {
      await writeFileAtomic(options.junit, await junitReport(stored));
      return 0;
    }
    const held = await isRunLockHeld(work);
    const facts: BuildFacts = {
      state: currentState(stored, held),
      promoted: promotedTo((await surveyBuilds(work)).builds, id, (build) => currentState(build, held)),
      tags: tagsOf(await surveyTags(work), id),
    };
    const updates = options.updates
      ? await findUpdates(config, stored, preparationTask({ config }, signal))
      : undefined;
    if (json) {
      const found = updates === undefined ? {} : { 'atomic-nightly.updates-since': updates };
      printJson({ ...printedBuild({ meta, age: ageOf(meta), ...facts }), ...found }, print);
      return 0;
    }
    for (const [name, value] of await headOf(config, stored, facts))
      if (value !== undefined) print(`${`${name}:`.padEnd(11)}${value}`);
    if (meta.pkgdiff) print(`${capital(partNames(meta.pkgdiff).many)}:\n${formatDiff(meta.pkgdiff)}`);
    for (const line of advisoryLines(meta)) print(line);
    if (updates) for (const line of updateLines(updates)) print(line);
    for (const line of [...deltaLines(meta), ...imageLines(meta), ...(await testLines(paths)), ...stepLines(meta)])
      print(line);
    return 0;
  },
});

/** What of a build is not in its record. */
type BuildFacts = Pick<PrintableBuild, 'state' | 'promoted' | 'tags'>;

/** Returns what the build is, a name and a value a line. */
async function headOf(
  config: Config,
  stored: StoredBuild,
  { state, promoted, tags }: BuildFacts,
): Promise<(readonly [string, string | undefined])[]> {
  const { meta, paths } = stored;
  return [
    ['Build', `${meta.buildid} (${stateText(state)})`],
    ['Tags', tags.length === 0 ? undefined : tags.join(', ')],
    ['Stream', `${meta.stream}, ${meta.basearch}`],
    ['Ref', meta.ref],
    ['Commit', meta.ostreeCommit],
    ['Parent', meta.parent],
    ['Time', formatMomentAndAge(new Date(meta.ostreeTimestamp))],
    ['Engine', engineText(meta.engine)],
    ['Kernel', meta.compose?.kernel],
    ['Checkout', checkoutText(meta.inputs?.checkout)],
    ['Made of', await partsText(paths.dir)],
    ['Signed by', meta.signedBy?.join(', ')],
    ['Published', meta.published?.join(', ')],
    ['Tests', testsText(meta) && `${testsText(meta)} images booted`],
    ['Rebuilt', rebuiltText(meta)],
    ...promotionFacts(meta),
    ['Distance', await knownDistance(config, stored)],
    ...promoted.map((one) => ['Promoted', promotedText(one)] as const),
    ['Records', paths.dir],
  ];
}

function deltaLines({ deltas = [] }: BuildMeta): string[] {
  return deltas.map(({ from, bytes, objects, seconds, objectBytes: without }) => {
    const start = from === undefined ? 'scratch' : from.slice(0, 12);
    return `Delta from ${start}: ${formatBytes(bytes)} instead of ${objects} objects with ${formatBytes(without)}, made in ${formatSeconds(seconds)}`;
  });
}

function imageLines({ images = {}, refusedImages = {} }: BuildMeta): string[] {
  return [
    ...Object.entries(images).map(
      ([name, { path, size, sha256 }]) => `Image ${name}: ${path}, ${formatBytes(size)}\n  sha256 ${sha256}`,
    ),
    ...Object.entries(refusedImages).map(([name, { path }]) => `Refused image ${name}, not published: ${path}`),
  ];
}

async function testLines(paths: BuildPaths): Promise<string[]> {
  const { results } = (await testsOrNone(paths)) ?? { results: [] };
  return results.map(
    ({ verdict, name, image, seconds }) => `Test ${name} on ${image}: ${verdict} after ${formatSeconds(seconds)}`,
  );
}

/** Returns the failures of a build, then how long its steps and the phases of its compose took. */
function stepLines({ failures = [], steps = [], compose }: BuildMeta): string[] {
  const times = steps.map(({ step, seconds }) => `${step} ${formatSeconds(seconds)}`);
  return [
    ...failures.map(({ step, message }) => `Failed: ${step}: ${message}`),
    ...(times.length === 0 ? [] : [`Steps: ${times.join(', ')}`]),
    ...(compose?.phases ?? []).map(
      ({ name, tool, seconds }) => `  compose: ${name.padEnd(24)} ${tool.padEnd(8)} ${seconds.toFixed(2)} s`,
    ),
  ];
}

function checkoutText(checkout: InputsRecord['checkout']): string | undefined {
  return checkout && `git ${checkout.revision}${checkout.dirty ? ', with changes that are not committed' : ''}`;
}

/** Returns how many parts the tree names; undefined where the build has no provenance that can be read. */
async function partsText(dir: string): Promise<string | undefined> {
  const text = await readTextIfExists(join(dir, PROVENANCE_FILE));
  if (text === undefined) return undefined;
  try {
    const { packages, debs, components } = parseProvenance(text, PROVENANCE_FILE);
    const counts = { package: packages.length + debs.length, component: components.length };
    const there = Object.entries(counts).filter(([, count]) => count > 0);
    const parts = there.map(([what, count]) => formatCount(count, what)).join(', ') || 'no parts named';
    return `${parts} (atomic-nightly provenance)`;
  } catch {
    return undefined;
  }
}
