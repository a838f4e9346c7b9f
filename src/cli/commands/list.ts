import { formatAge } from '../../base/format.ts';
import { didYouMean } from '../../base/nearest.ts';
import { tableLines } from '../../base/table.ts';
import { currentState, promotedText, testsText } from '../../build/about-build.ts';
import { comparePlaced } from '../../build/build-id.ts';
import { placeOf, surveyBuilds } from '../../build/build-store.ts';
import { surveyTags, tagsOf } from '../../build/build-tags.ts';
import { OUTCOMES } from '../../build/outcomes.ts';
import { type PrintableBuild, printable, printedBuild, printedDamage } from '../../build/printed-build.ts';
import { loadConfig } from '../../config/load.ts';
import { summarizeDiff } from '../../rpm/pkgdiff.ts';
import { isRunLockHeld } from '../../run/run-lock.ts';
import { defineCommand } from '../define.ts';
import { choice, flag, number, text } from '../inputs.ts';
import { printJson } from '../print.ts';
import { stateText } from '../state-text.ts';

/** States a build is listed in; `damaged` is one whose record cannot be read. */
const STATES = [...Object.keys(OUTCOMES), 'damaged'];

/** `atomic-nightly list`: lists builds, newest first, with what is needed to choose one for promotion. */
export const list = defineCommand({
  name: 'list',
  section: 'Looking at builds',
  summary: 'list builds, newest first: state, age, changes, tests, images, promotions',
  options: {
    stream: text('NAME', 'only builds of this stream', { completes: 'stream' }),
    state: choice('STATE', STATES, 'only builds in this state'),
    limit: number('NUMBER', 'only so many of the newest; 0: all', 0),
    json: flag('the records, for scripts'),
  },
  examples: [
    'atomic-nightly list --limit 10',
    'atomic-nightly list --state failed --stream nightly',
    'atomic-nightly list --json | jq -r ".[0].buildid"',
  ],
  async run({ stream, state: wanted, limit, json }, { config, print }) {
    const { work, streams } = await loadConfig(config);
    const held = await isRunLockHeld(work);
    const { builds: found, damaged } = await surveyBuilds(work);
    const tags = await surveyTags(work);
    const all = found.map((build) => ({ meta: build.meta, state: currentState(build, held) }));
    const names = new Set([...Object.keys(streams), ...all.map(({ meta }) => meta.stream)]);
    const builds = all
      .filter(({ meta }) => stream === undefined || meta.stream === stream)
      .map((build) => printable({ ...build, tags: tagsOf(tags, build.meta.buildid) }, all))
      .filter(({ state }) => wanted === undefined || state === wanted)
      .slice(0, limit === 0 ? undefined : limit);
    const shownDamaged = wanted === undefined || wanted === 'damaged' ? damaged : [];
    if (json) {
      const known = builds.map((build) => ({ place: placeOf(build.meta), printed: printedBuild(build) }));
      const unknown = shownDamaged.map((one) => ({ place: { id: one.id }, printed: printedDamage(one) }));
      const all = [...known, ...unknown].toSorted((a, b) => comparePlaced(b.place, a.place));
      printJson(
        all.map(({ printed }) => printed),
        print,
      );
      return 0;
    }
    // Whose stream they are is not known, so they are named whatever was asked for.
    for (const { id, error } of shownDamaged) print(`${id}  damaged  ${error.message}`);
    if (stream !== undefined && !names.has(stream)) {
      print(`There is no stream "${stream}", and no build of one.${didYouMean(stream, names)}`);
    } else if (all.length + damaged.length === 0) {
      print(
        `No builds in ${work} yet. "atomic-nightly nightly" makes one; "atomic-nightly fetch BUILD" brings one that a target has.`,
      );
    } else if (builds.length + shownDamaged.length === 0) print('No build is like that.');
    if (builds.length > 0) for (const line of tableLines([HEADER, ...builds.map(cellsOf)])) print(line);
    return 0;
  },
});

const HEADER = ['BUILD', 'STREAM', 'STATE', 'AGE', 'COMMIT', 'CHANGES', 'TESTS', 'IMAGES', 'NOTES'];

function cellsOf({ meta, state, age, promoted, tags }: PrintableBuild): string[] {
  const { promotion, supersededBy, retracted } = meta;
  const notes = [
    promotion === undefined ? '' : `of ${promotion.of}`,
    supersededBy === undefined ? '' : `superseded by ${supersededBy}`,
    retracted === undefined ? '' : `retracted by ${retracted.by}`,
    tags.length === 0 ? '' : `tagged ${tags.join(', ')}`,
    promoted.length === 0 ? '' : `promoted to ${promoted.map(promotedText).join(', ')}`,
  ];
  return [
    ...[meta.buildid, meta.stream, stateText(state), formatAge(age), meta.ostreeCommit?.slice(0, 12) ?? '-'],
    meta.pkgdiff ? summarizeDiff(meta.pkgdiff) : '',
    testsText(meta) ?? '',
    Object.keys(meta.images ?? {}).join(' '),
    notes.filter((note) => note !== '').join('  '),
  ];
}
