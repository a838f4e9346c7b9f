import { NightlyError } from '../../base/errors.ts';
import { findBuild } from '../../build/build-store.ts';
import { sourceText, type UpstreamRecord, writeUpstream } from '../../build/upstream-record.ts';
import { loadConfig } from '../../config/load.ts';
import { compareUpstream, upstreamFor } from '../../pipelines/compare-upstream.ts';
import { distanceGroups } from '../../reports/distance-groups.ts';
import { distanceText } from '../../rpm/upstream-distance.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, needed } from '../inputs.ts';
import { preparationTask } from '../open-run.ts';
import { printJson } from '../print.ts';

/** `atomic-nightly compare BUILD --upstream`: how far a build is from upstream, kept beside its record. Gives the exit code. */
export const compare = defineCommand({
  name: 'compare',
  section: 'Releases',
  summary: 'compare a build with upstream: packages that are missing, older, newer or extra, units, users',
  arguments: { build: needed('BUILD', 'build id of a promotion or nightly build', 'build') },
  options: {
    upstream: flag('with what cycle.upstream of the release stream names; "diff" compares two builds'),
    json: flag('for scripts'),
  },
  notes: 'The result is kept beside the build: "show", "review" and the review page say it without a network.',
  examples: [
    'atomic-nightly compare latest:release --upstream',
    'atomic-nightly compare -1 --upstream --json | jq .missing',
  ],
  interruptible: true,
  async run({ build: id, upstream, json }, { config: path, signal, print }) {
    if (!upstream)
      throw usageError('compare', 'It compares with --upstream; "atomic-nightly diff A B" compares two builds.');
    const config = await loadConfig(path);
    const build = await findBuild(config.work, id);
    const compared = upstreamFor(config, build.meta.stream);
    if (!compared) {
      throw new NightlyError('config', `No release stream of "${build.meta.stream}" says what to compare with.`, {
        hint: 'Add "repo" and "ref", "packages" or "stream" to its cycle.upstream: docs/upstream.md.',
        place: config.placeOf('streams', build.meta.stream),
      });
    }
    const record = await compareUpstream(config, build, compared, preparationTask({ config }, signal));
    await writeUpstream(build.paths, record);
    if (json) printJson(record, print);
    else for (const line of lines(record)) print(line);
    return 0;
  },
});

function lines(record: UpstreamRecord): string[] {
  return [
    `${record.build} against ${sourceText(record)}: ${distanceText(record)}`,
    ...distanceGroups(record).flatMap(({ title, lines: all }) => [`${title}:`, ...all.map((one) => `  ${one}`)]),
  ];
}
