import { createReadStream, existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { NightlyError } from '../../base/errors.ts';
import { formatSeconds } from '../../base/format.ts';
import { findBuild } from '../../build/build-store.ts';
import { readJournal } from '../../build/journal.ts';
import { loadConfig } from '../../config/load.ts';
import { defineCommand } from '../define.ts';
import { needed, optional } from '../inputs.ts';

/** `atomic-nightly log BUILD [STEP]`: what happened, or everything one step's programs printed. */
export const log = defineCommand({
  name: 'log',
  section: 'Looking at builds',
  summary: 'show what happened in a build, step by step',
  arguments: {
    build: needed('BUILD', 'build id', 'build'),
    step: optional('STEP', 'print the full output of the programs of this step'),
  },
  examples: ['atomic-nightly log 20261121_01', 'atomic-nightly log 20261121_01 compose'],
  async run({ build: id, step }, { config, print }) {
    const { work } = await loadConfig(config);
    const { paths } = await findBuild(work, id);
    if (step === undefined) {
      for (const entry of await readJournal(paths.journal)) {
        if (entry.event === 'end') {
          print(`${entry.at} end    ${entry.state}`);
          continue;
        }
        const detail = entry.event === 'start' ? '' : ` (${formatSeconds(entry.seconds)})`;
        const why = entry.event === 'failed' ? `: ${entry.message.split('\n')[0]}` : '';
        print(`${entry.at} ${entry.event.padEnd(6)} ${entry.step}${detail}${why}`);
      }
      return 0;
    }
    const logs: readonly string[] = existsSync(paths.logs) ? await readdir(paths.logs) : [];
    if (!logs.includes(`${step}.log`)) {
      throw new NightlyError('not-found', `Build ${id} has no log of a step "${step}".`, {
        hint:
          logs.length > 0
            ? `Steps with a log: ${logs.map((name) => basename(name, '.log')).join(', ')}.`
            : 'No step has run yet.',
      });
    }
    for await (const line of createInterface({ input: createReadStream(join(paths.logs, `${step}.log`)) })) print(line);
    return 0;
  },
});
