import { quietTask } from '../../base/task.ts';
import { changeLevel, promoted } from '../../steps/rebuild/change-level.ts';
import { defineCommand } from '../define.ts';
import { flag, needed, text } from '../inputs.ts';
import { loadRebuilds } from '../open-builders.ts';
import { printJson } from '../print.ts';
import { refuseControlCharacters } from '../typed.ts';

/** `atomic-nightly builders promote NAME`: one level up, on record for good. */
export const buildersPromote = defineCommand({
  name: 'builders promote',
  summary: 'trust a builder more: new, proven, sponsor; a suspended one is new again',
  arguments: { name: needed('NAME', 'builder') },
  options: {
    by: text('WHO', 'who says so', { required: true }),
    reason: text('TEXT', 'why; kept in its history', { required: true }),
    json: flag('for scripts'),
  },
  examples: ['atomic-nightly builders promote alpha --by "Jane Doe" --reason "200 results, none disputed"'],
  async run({ name, by, reason, json }, { config: path, print }) {
    const config = await loadRebuilds(path);
    refuseControlCharacters({ by, reason });
    const change = await changeLevel(config, { name, by, reason, next: promoted }, quietTask());
    if (json) printJson({ name, ...change }, print);
    else print(`${name}: ${change.from} → ${change.to}`);
    return 0;
  },
});
