import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { formatBytes } from '../../base/format.ts';
import { oneLine } from '../../base/one-line.ts';
import { findBuild, type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { type BuildDiff, diffBuilds } from '../../pipelines/diff-builds.ts';
import { releaseBefore } from '../../pipelines/release-before.ts';
import { formatDiff } from '../../rpm/pkgdiff.ts';
import { defineCommand } from '../define.ts';
import { flag, needed, optional } from '../inputs.ts';
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
  options: { lastRelease: flag('compare with the last release'), json: flag('for scripts') },
  examples: ['atomic-nightly diff 20261120_01 20261121_02', 'atomic-nightly diff 20261121_02 --last-release'],
  async run({ from: first, to: second, lastRelease: sinceRelease, json }, { config: path, print }) {
    const config = await loadConfig(path);
    const [from, to] = await twoBuilds(config, [first, second], sinceRelease);
    const diff = await diffBuilds(join(config.work, 'repo'), from, to);
    if (json) printJson(diff, print);
    else for (const line of diffLines(diff)) print(line);
    return 0;
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

function diffLines({ pkgdiff, kernel, images, files, folders = [], update }: BuildDiff): string[] {
  const size = (bytes: number | undefined) => (bytes === undefined ? 'none' : formatBytes(bytes));
  return [
    formatDiff(pkgdiff),
    ...kernelLine(kernel),
    files
      ? `Files: ${files.added} added, ${files.removed} removed, ${files.changed} changed`
      : 'Files: not known, because one of the trees is not in the local repository as a whole',
    ...(update ? [`Update: ${update.objects} objects, ${formatBytes(update.bytes)}`] : []),
    ...Object.entries(images).map(([type, { from, to }]) => `Image ${type}: ${size(from)} -> ${size(to)}`),
    ...(folders.length === 0 ? [] : ['Files by folder:', ...folderLines(folders)]),
  ];
}

/** A tree without a kernel has nothing to say of one. */
function kernelLine({ from, to }: BuildDiff['kernel']): string[] {
  if (from === to) return to === undefined ? [] : [`Kernel: ${to}, the same`];
  return [`Kernel: ${from ?? 'none'} -> ${to ?? 'none'}`];
}

/** So many folders are shown; --json has all. */
const FOLDERS = 20;

function folderLines(folders: NonNullable<BuildDiff['folders']>): string[] {
  const lines = folders.slice(0, FOLDERS).map(({ path, growth, ...counts }) => {
    const parts = (['added', 'removed', 'changed'] as const).flatMap((kind) =>
      counts[kind] === 0 ? [] : [`${counts[kind]} ${kind}`],
    );
    return `  ${oneLine(path)}: ${parts.join(', ')}, ${growth < 0 ? '-' : '+'}${formatBytes(Math.abs(growth))}`;
  });
  return folders.length > FOLDERS ? [...lines, `  and ${folders.length - FOLDERS} more folders`] : lines;
}
