import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { formatMomentAndAge } from '../../base/format.ts';
import { linesOf } from '../../base/lines.ts';
import { didYouMean } from '../../base/nearest.ts';
import { harmlessJson } from '../../base/one-line.ts';
import { isUnicode } from '../../base/output.ts';
import { currentState } from '../../build/about-build.ts';
import { type BuildPaths, findBuild, type StoredBuild } from '../../build/build-store.ts';
import { type JournalEntry, readJournal } from '../../build/journal.ts';
import { EXIT, outcomeOf } from '../../build/outcomes.ts';
import { loadConfig } from '../../config/load.ts';
import { lockHolder } from '../../run/lock-holder.ts';
import { isUnderWay } from '../../run/under-way.ts';
import { defineCommand, usageError } from '../define.ts';
import { followBuild, stepsWithLog } from '../follow-build.ts';
import { flag, optional, optionalWithDefault } from '../inputs.ts';
import { entryText, withoutBeginnings } from '../journal-text.ts';
import type { Printer } from '../print.ts';

/** `atomic-nightly log BUILD [STEP] [-f]`: what happened, or everything one step's programs printed; also while it happens. */
export const log = defineCommand({
  name: 'log',
  section: 'Looking at builds',
  summary: 'show what happened in a build, step by step; follow one that is running',
  arguments: {
    build: optionalWithDefault('BUILD', 'build id', '-1', 'build'),
    step: optional('STEP', 'print the full output of the programs of this step'),
  },
  options: {
    follow: flag('go on until the build, or the step, ends', { short: 'f' }),
    json: flag('the lines of the journal, for scripts'),
  },
  notes:
    'A build is followed whichever process makes it. With --follow the exit code is that of the command that made the build; with STEP it is 0 when the step is done.',
  examples: [
    'atomic-nightly log 20261121_01',
    'atomic-nightly log 20261121_01 compose',
    'atomic-nightly log -f',
    'atomic-nightly log latest --json | jq -r \'select(.event == "failed").message\'',
  ],
  async run({ build: id, step, follow, json }, { config, print }) {
    const { work } = await loadConfig(config);
    const stored = await findBuild(work, id);
    if (json && step !== undefined) throw usageError('log', 'The log of a step is no JSON: leave out --json or STEP.');
    if (step !== undefined) return follow ? followStep(work, stored, step, print) : printStep(stored, step, print);
    if (!follow) {
      const entries = await readJournal(stored.paths.journal);
      if (json) for (const entry of entries) print(jsonLine(entry));
      else {
        const held = isUnderWay(stored, entries, await lockHolder(work));
        print(heading(stored, held));
        for (const entry of withoutBeginnings(entries)) print(entryText(entry));
      }
      return EXIT.done;
    }
    return followJournal(work, stored, json, print);
  },
});

function heading({ meta }: StoredBuild, held: boolean): string {
  const state = currentState({ meta }, held);
  const begun = formatMomentAndAge(new Date(meta.ostreeTimestamp));
  return `Build ${meta.buildid} of ${meta.stream}: ${outcomeOf(state)?.label ?? state}, begun ${begun}`;
}

const jsonLine = (entry: JournalEntry): string => harmlessJson(JSON.stringify(entry), isUnicode());

async function followJournal(work: string, stored: StoredBuild, json: boolean, print: Printer): Promise<number> {
  const { paths, meta } = stored;
  let isFirst = true;
  if (!json) print(heading(stored, true));
  const state = await followBuild(work, paths, {
    entries(entries) {
      const shown = isFirst && !json ? withoutBeginnings(entries) : entries;
      for (const entry of shown) print(json ? jsonLine(entry) : entryText(entry));
      isFirst = false;
    },
    lines(step, lines) {
      if (!json) for (const line of lines) print(`    ${step}: ${line}`);
    },
  });
  const { label, exit } = outcomeOf(state) ?? { label: state, exit: undefined };
  if (!json) print(`Build ${meta.buildid}: ${label}`);
  return EXIT[exit ?? 'failed'];
}

async function followStep(work: string, { paths }: StoredBuild, step: string, print: Printer): Promise<number> {
  let last: JournalEntry | undefined;
  const state = await followBuild(work, paths, {
    whole: step,
    entries(entries) {
      last = entries.findLast((entry) => 'step' in entry && entry.step === step) ?? last;
    },
    lines(name, lines) {
      if (name === step) for (const line of lines) print(line);
    },
    isDone: () => last !== undefined && last.event !== 'start',
  });
  if (last === undefined) throw await noLog(paths, step);
  return last.event === 'done' ? EXIT.done : EXIT[outcomeOf(state)?.exit ?? 'failed'];
}

async function printStep({ paths }: StoredBuild, step: string, print: Printer): Promise<number> {
  if (!(await stepsWithLog(paths)).includes(step)) throw await noLog(paths, step);
  const file = createReadStream(join(paths.logs, `${step}.log`));
  for await (const line of linesOf(file, { carriageReturns: false })) print(line);
  return EXIT.done;
}

async function noLog(paths: BuildPaths, step: string): Promise<NightlyError> {
  const steps = await stepsWithLog(paths);
  return new NightlyError('not-found', `Build ${paths.id} has no log of a step "${step}".${didYouMean(step, steps)}`, {
    hint: steps.length > 0 ? `Steps with a log: ${steps.join(', ')}.` : 'No step has run yet.',
  });
}
