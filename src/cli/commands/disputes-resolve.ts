import { NightlyError } from '../../base/errors.ts';
import { quietTask } from '../../base/task.ts';
import { VERDICTS } from '../../rebuild/verdicts.ts';
import { resolveDispute } from '../../steps/rebuild/resolve-dispute.ts';
import { defineCommand } from '../define.ts';
import { choice, flag, needed, text, words } from '../inputs.ts';
import { loadRebuilds } from '../open-builders.ts';
import { printJson } from '../print.ts';
import { refuseControlCharacters } from '../typed.ts';

/** `atomic-nightly disputes resolve ID`: signs what a person found, and does what follows from it. */
export const disputesResolve = defineCommand({
  name: 'disputes resolve',
  summary: 'sign a verdict on a dispute, and do what follows from it',
  arguments: { dispute: needed('ID', 'dispute') },
  options: {
    by: text('WHO', 'who looked at it', { required: true }),
    verdict: choice('VERDICT', VERDICTS, 'what was found', { required: true }),
    note: text('TEXT', 'how it was found; kept with the verdict', { required: true }),
    builder: words('NAME', 'whose result is the wrong one; needed for "tampered"'),
    json: flag('for scripts'),
  },
  notes:
    'tampered: the builders are suspended, and what they made never counts. environment: their results do not count, and they are new again; without --builder neither side counts. not-reproducible: what differs may differ in that package from now on. Verdicts are never erased; a later one replaces an earlier one.',
  examples: [
    'atomic-nightly disputes resolve 3f9c0a7b1d2e --by "Jane Doe" --verdict tampered --builder beta --note "three more operators built what alpha did"',
    'atomic-nightly disputes resolve 3f9c0a7b1d2e --by "Jane Doe" --verdict not-reproducible --note "embeds the date"',
  ],
  async run({ dispute, by, verdict, note, builder, json }, { config: path, print }) {
    const config = await loadRebuilds(path);
    refuseControlCharacters({ by, note });
    if (by.trim() === '' || note.trim() === '') {
      throw new NightlyError('usage', 'A verdict needs the name of who gives it, and a note.', {
        hint: 'As in --by "Jane Doe" --note "three more operators built what alpha did".',
      });
    }
    const given = { dispute, verdict, builders: builder, by: by.trim(), note: note.trim() };
    const resolved = await resolveDispute(config, given, quietTask());
    if (json) printJson(resolved, print);
    else {
      print(`${dispute}: ${verdict}, says ${given.by}.`);
      for (const line of resolved.consequences) print(`  ${line}`);
    }
    return 0;
  },
});
