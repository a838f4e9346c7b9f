import { quietTask } from '../../base/task.ts';
import { changeLevel, suspended } from '../../steps/rebuild/change-level.ts';
import { defineCommand } from '../define.ts';
import { flag, needed, text } from '../inputs.ts';
import { loadRebuilds } from '../open-builders.ts';
import { printJson } from '../print.ts';
import { refuseControlCharacters } from '../typed.ts';

/** `atomic-nightly builders suspend NAME`: it gets no more work, on record for good. */
export const buildersSuspend = defineCommand({
  name: 'builders suspend',
  summary: 'give a builder no more work',
  arguments: { name: needed('NAME', 'builder') },
  options: {
    by: text('WHO', 'who says so', { required: true }),
    reason: text('TEXT', 'why; kept in its history', { required: true }),
    json: flag('for scripts'),
  },
  examples: ['atomic-nightly builders suspend alpha --by "Jane Doe" --reason "its operator asked for it"'],
  async run({ name, by, reason, json }, { config: path, print }) {
    const config = await loadRebuilds(path);
    refuseControlCharacters({ by, reason });
    const change = await changeLevel(config, { name, by, reason, next: suspended }, quietTask());
    if (json) printJson({ name, ...change }, print);
    else print(`${name}: ${change.from} → ${change.to}`);
    return 0;
  },
});
