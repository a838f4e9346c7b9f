import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { NightlyError } from '../../../src/base/errors.ts';
import { appendToLog } from '../../../src/publish/log/append.ts';
import type { Target } from '../../../src/targets/target.ts';
import { entriesOf, expectOneHistory, expectWhole, startAppender } from '../../support/appender.ts';
import { everyCase } from '../../support/every-case.ts';
import { LOG_BEDS } from '../../support/log-beds.ts';
import { notingKey } from '../../support/log-files.ts';
import { testTask } from '../../support/tmp.ts';

/** The same append again, by the machine whose process was killed. */
async function again({ dir, target }: { readonly dir: string; readonly target: Target }, entries: readonly string[]) {
  const places = { home: target, key: notingKey(join(dir, 'signed')), state: join(dir, 'machine/state.json') };
  for (const entry of entries) {
    for (;;) {
      try {
        await appendToLog([[Buffer.from(entry)]], places, testTask(dir));
        break;
      } catch (error) {
        // The far side of the one that was killed may take a moment to end; the next run is told so, and tries again.
        if ((error as Partial<NightlyError>).code !== 'locked') throw error;
        await pause(100);
      }
    }
  }
}

/** Moments in which an append can be killed: in the state, the lock, the tiles, their folders, the checkpoint. */
const MOMENTS: Readonly<Record<string, number>> = { directory: 15, ssh: 10, rsync: 30, s3: 15 };

const CASES = LOG_BEDS.filter(([kind]) => everyCase || kind === 'directory');

it.each(CASES)(
  'I4, I17: killed before each of its writes to a target of type %s, an append is completed by the next, and no second tree of a size is signed',
  async (kind, open) => {
    const bed = await open();
    const { dir, target, config } = bed;
    const entries = entriesOf('killed', 200);
    await again(bed, entries.slice(0, 1));
    for (let nth = 1; ; nth += 1) {
      const now = entries.slice(nth, nth + 1);
      const { ok, stderr } = await startAppender({ dir, target: config }, now, nth).ended;
      expect(stderr).toBe('');
      await again(bed, now);
      if (!ok) continue;
      expect(nth).toBeGreaterThan(MOMENTS[kind] ?? 0);
      await expectWhole(dir, target, entries.slice(0, nth + 1));
      await expectOneHistory(dir, target);
      return;
    }
  },
  3_600_000,
);

it.each(CASES)(
  'I4, I17: killed at any moment on a target of type %s',
  async (_, open) => {
    const bed = await open();
    const { dir, target, config } = bed;
    const entries = entriesOf('killed', 5);
    await again(bed, entries.slice(0, 1));
    const begun = performance.now();
    await again(bed, entries.slice(1, 2));
    const whole = performance.now() - begun;
    for (const turn of [2, 3, 4]) {
      const now = entries.slice(turn, turn + 1);
      const { child, ended } = startAppender({ dir, target: config }, now);
      if (child.stdout) await once(child.stdout, 'data');
      await pause(((turn - 1) * whole) / 4);
      child.kill('SIGKILL');
      await ended;
      await again(bed, now);
    }
    await expectWhole(dir, target, entries);
    await expectOneHistory(dir, target);
  },
  300_000,
);
