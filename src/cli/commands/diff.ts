import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { findBuild, type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { EXIT } from '../../build/outcomes.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { diffBuilds } from '../../pipelines/diff-builds.ts';
import { releaseBefore } from '../../pipelines/release-before.ts';
import { defineCommand } from '../define.ts';
import { fullDiff, markdownDiff, shortDiff } from '../diff-text.ts';
import { choice, flag, needed, optional } from '../inputs.ts';
import { printJson } from '../print.ts';

/**
 * `atomic-nightly diff A B`: what changed between any two builds; `diff BUILD --last-release`: since the last release.
 * Gives the exit code.
 */
export const diff = defineCommand({
  name: 'diff',
  section: 'Looking at builds',
  summary: 'compare any two builds: packages, kernel, number of files, sizes',
  arguments: {
    from: needed('FROM', 'build id; with --last-release the newer one', 'build'),
    to: optional('TO', 'build id', 'build'),
  },
  options: {
    lastRelease: flag('compare with the last release'),
    format: choice('FORMAT', ['full', 'short', 'json', 'markdown'], 'how it is printed; short: one line', {
      default: 'full',
    }),
    json: flag('the same as --format json'),
  },
  notes: 'Packages are listed in the words of "rpm-ostree db diff": upgraded, downgraded, removed, added.',
  examples: [
    'atomic-nightly diff 20261120_01 20261121_02',
    'atomic-nightly diff -2 -1 --format short',
    'atomic-nightly diff 20261121_02 --last-release --format markdown',
  ],
  async run({ from: first, to: second, lastRelease: sinceRelease, format, json }, { config: path, print }) {
    const config = await loadConfig(path);
    const [from, to] = await twoBuilds(config, [first, second], sinceRelease);
    const diff = await diffBuilds(join(config.work, 'repo'), from, to);
    switch (json ? 'json' : format) {
      case 'json':
        printJson(diff, print);
        break;
      case 'short':
        print(shortDiff(diff));
        break;
      case 'markdown':
        for (const line of markdownDiff(diff)) print(line);
        break;
      case 'full':
        for (const line of fullDiff(diff)) print(line);
        break;
    }
    return EXIT.done;
  },
});

async function twoBuilds(
  config: Config,
  [first, second]: readonly [string, string | undefined],
  sinceRelease: boolean,
): Promise<[StoredBuild, StoredBuild]> {
  if (sinceRelease === (second !== undefined)) {
    throw new NightlyError('usage', 'diff takes two builds, or one build and --last-release.', {
      hint: 'As in "atomic-nightly diff 20261120_01 20261121_01".',
    });
  }
  const build = await findBuild(config.work, first);
  if (second !== undefined) return [build, await findBuild(config.work, second)];
  const found = releaseBefore(config, await surveyBuilds(config.work), build);
  if (found) return [found, build];
  throw new NightlyError('not-found', `Nothing was released yet that build ${first} could be compared with.`, {
    hint: 'Name another build to compare with.',
  });
}
