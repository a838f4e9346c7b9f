import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import type { BuildEvent } from '../../../src/reports/notify/event.ts';
import { forgetOld, openOutbox, outboxFolder } from '../../../src/reports/notify/outbox.ts';
import { DAMAGE } from '../../support/damage.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const event = (id: string): BuildEvent => ({
  id,
  type: 'complete',
  at: new Date().toISOString(),
  ...{ product: 'mini', stream: 'nightly', build: '20261121_01', arch: 'x86_64', ref: 'mini/x86_64/nightly' },
  ...{ state: 'complete', failures: [] },
});

it.each(DAMAGE)('I15: those behind an event that is %s do not wait for it', async (_, spoil) => {
  const work = temporaryFolder();
  const outbox = openOutbox(work, 'matrix');
  for (const id of ['one', 'two', 'three']) await outbox.add(event(id));
  const folder = join(outboxFolder(work), 'matrix');
  spoil(join(folder, readdirSync(folder).sort()[1] ?? ''));
  expect((await outbox.waiting()).map(({ event: { id } }) => id)).toEqual(['one', 'three']);
  expect(readdirSync(folder)).toHaveLength(2);
});

it('I8: what waited for a week is dropped by a clock that was checked, and never by one that is in doubt', async () => {
  const work = temporaryFolder();
  const outbox = openOutbox(work, 'matrix');
  const DAY = 86_400;
  const now = Math.floor(Date.now() / 1000);
  // As they were written before this clock went 400 days ahead, and by it.
  await outbox.add({ ...event('before'), at: new Date((now - 400 * DAY) * 1000).toISOString() });
  await outbox.add({ ...event('old'), at: new Date((now - 8 * DAY) * 1000).toISOString() });
  await outbox.add(event('new'));
  const waiting = async () => (await outbox.waiting()).map(({ event: { id } }) => id);
  expect(await waiting()).toEqual(['before', 'old', 'new']);
  const doubt = new NightlyError('clock', 'in doubt');
  await expect(forgetOld(work, () => Promise.reject(doubt))).rejects.toBe(doubt);
  await forgetOld(work, async () => now - 401 * DAY);
  expect(await waiting()).toEqual(['before', 'old', 'new']);
  await forgetOld(work, async () => now);
  expect(await waiting()).toEqual(['new']);
  await forgetOld(work, () => Promise.reject(new Error('it need not be asked')));
});
