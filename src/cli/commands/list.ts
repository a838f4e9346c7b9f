import { formatAge } from '../../base/format.ts';
import { ageOf, currentState, promotedText, promotedTo, testsText } from '../../build/about-build.ts';
import { comparePlaced } from '../../build/build-id.ts';
import { storedMeta } from '../../build/build-record-format.ts';
import { placeOf, surveyBuilds } from '../../build/build-store.ts';
import { loadConfig } from '../../config/load.ts';
import { summarizeDiff } from '../../rpm/pkgdiff.ts';
import { isRunLockHeld } from '../../run/run-lock.ts';
import { defineCommand } from '../define.ts';
import { flag, text } from '../inputs.ts';
import { printJson } from '../print.ts';

/** `atomic-nightly list`: lists builds, newest first, with what is needed to choose one for promotion. */
export const list = defineCommand({
  name: 'list',
  section: 'Looking at builds',
  summary: 'list builds, newest first: state, age, changes, tests, images, promotions',
  options: {
    stream: text('NAME', 'only builds of this stream', { completes: 'stream' }),
    json: flag('the records, for scripts'),
  },
  examples: ['atomic-nightly list --json | jq -r ".[0].buildid"'],
  async run({ stream, json }, { config, print }) {
    const { work } = await loadConfig(config);
    const held = await isRunLockHeld(work);
    const { builds: all, damaged } = await surveyBuilds(work);
    const builds = all
      .filter(({ meta }) => stream === undefined || meta.stream === stream)
      .map((build) => ({
        meta: build.meta,
        state: currentState(build, held),
        age: ageOf(build.meta),
        promoted: promotedTo(all, build.meta.buildid, (one) => currentState(one, held)),
      }));
    if (json) {
      const known = builds.map(({ meta, state, age, promoted }) => ({
        place: placeOf(meta),
        printed: {
          ...storedMeta(meta),
          'atomic-nightly.state': state,
          'atomic-nightly.age-seconds': age,
          'atomic-nightly.promoted-to': promoted,
        },
      }));
      const unknown = damaged.map(({ id, arch, error }) => ({
        place: { id },
        printed: {
          buildid: id,
          'coreos-assembler.basearch': arch,
          'atomic-nightly.state': 'damaged',
          'atomic-nightly.damage': error.message,
        },
      }));
      const all = [...known, ...unknown].toSorted((a, b) => comparePlaced(b.place, a.place));
      printJson(
        all.map(({ printed }) => printed),
        print,
      );
      return 0;
    }
    // Whose stream they are is not known, so they are named whatever was asked for.
    for (const { id, error } of damaged) print(`${id.padEnd(12)}  ${'damaged'.padEnd(22)}  ${error.message}`);
    if (builds.length + damaged.length === 0) print('No builds yet. Run "atomic-nightly nightly" to make one.');
    for (const { meta, state, age, promoted } of builds) {
      const commit = meta.ostreeCommit?.slice(0, 12) ?? '-';
      const images = Object.keys(meta.images ?? {}).join(' ');
      const changes = meta.pkgdiff ? summarizeDiff(meta.pkgdiff) : '';
      const tests = testsText(meta);
      const { of } = meta.promotion ?? {};
      const retracted = meta.retracted;
      const later = meta.supersededBy;
      print(
        [
          meta.buildid.padEnd(12),
          meta.stream.padEnd(10),
          state.padEnd(12),
          formatAge(age).padStart(6),
          commit.padEnd(13),
          changes,
          tests === undefined ? '' : `tests ${tests}`,
          images,
          of === undefined ? '' : `of ${of}`,
          later === undefined ? '' : `superseded by ${later}`,
          retracted === undefined ? '' : `retracted by ${retracted.by}`,
          promoted.length === 0 ? '' : `promoted to ${promoted.map(promotedText).join(', ')}`,
        ]
          .filter((column) => column !== '')
          .join('  '),
      );
    }
    return 0;
  },
});
