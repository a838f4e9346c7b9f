import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { NightlyError } from '../../../src/base/errors.ts';
import type { TargetConfig } from '../../../src/config/config.ts';
import { appendToLog } from '../../../src/publish/log/append.ts';
import type { Target } from '../../../src/targets/target.ts';
import { entriesOf, expectOneHistory, expectWhole, startAppender } from '../../support/appender.ts';
import { everyCase } from '../../support/every-case.ts';
import { LOG_BEDS } from '../../support/log-beds.ts';
import { notingKey } from '../../support/log-files.ts';
import { directoryBed, URL } from '../../support/target-beds.ts';
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

it('I4, I17: killed before each of its writes, an append is completed by the next, and no second tree of a size is signed', async () => {
  const bed = await directoryBed();
  const { dir, far, target } = bed;
  const config: TargetConfig = { type: 'directory', name: 'dir', path: far, url: URL };
  const entries = entriesOf('killed', 200);
  await again(bed, entries.slice(0, 1));
  for (let nth = 1; ; nth += 1) {
    const now = entries.slice(nth, nth + 1);
    const { ok, stderr } = await startAppender({ dir, target: config }, now, nth).ended;
    expect(stderr).toBe('');
    await again(bed, now);
    if (!ok) continue;
    // So many times it was killed before: in the state, the tiles, their folders, the checkpoint.
    expect(nth).toBeGreaterThan(15);
    await expectWhole(dir, target, entries.slice(0, nth + 1));
    await expectOneHistory(dir, target);
    return;
  }
}, 300_000);

it.each(LOG_BEDS.filter(([kind]) => everyCase || kind === 'directory'))(
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
