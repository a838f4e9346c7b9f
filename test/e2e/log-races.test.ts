import { expect, it } from 'vitest';
import { entriesOf, expectOneHistory, expectWhole, startAppender } from '../support/appender.ts';
import { LOG_BEDS } from '../support/log-beds.ts';

/** rsync has no compare-and-swap: there one machine appends (docs/release-log.md). */
const BEDS = LOG_BEDS.filter(([kind]) => kind !== 'rsync');

it.each(BEDS)(
  'I17: 200 races of two machines with one key on a target of type %s',
  async (_, open) => {
    const { dir, target, config } = await open();
    const machines = ['a', 'b'].map((machine) => ({ machine, entries: entriesOf(machine, 100) }));
    const ends = await Promise.all(
      machines.map(({ machine, entries }) => startAppender({ dir, target: config, machine }, entries).ended),
    );
    expect(ends).toEqual(machines.map(() => ({ ok: true, stderr: '' })));
    await expectWhole(
      dir,
      target,
      machines.flatMap(({ entries }) => entries),
    );
    expect(await expectOneHistory(dir, target)).toBe(200);
  },
  1_800_000,
);
