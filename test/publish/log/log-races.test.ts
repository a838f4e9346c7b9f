import { expect, it } from 'vitest';
import { entriesOf, expectOneHistory, expectWhole, startAppender } from '../../support/appender.ts';
import { LOG_BEDS } from '../../support/log-beds.ts';

it('I17: two machines with one key append at the same time, and sign one history', async () => {
  const [[, open] = []] = LOG_BEDS;
  if (!open) throw new Error('no target');
  const { dir, target, config } = await open();
  const [a, b] = [entriesOf('a', 10), entriesOf('b', 10)];
  const ends = await Promise.all([
    startAppender({ dir, target: config, machine: 'a' }, a).ended,
    startAppender({ dir, target: config, machine: 'b' }, b).ended,
  ]);
  expect(ends).toEqual([
    { ok: true, stderr: '' },
    { ok: true, stderr: '' },
  ]);
  await expectWhole(dir, target, [...a, ...b]);
  expect(await expectOneHistory(dir, target)).toBe(20);
}, 120_000);
