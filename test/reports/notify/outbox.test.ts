import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import type { NotifyConfig } from '../../../src/config/config.ts';
import { openCourier } from '../../../src/reports/notify/deliver-event.ts';
import type { BuildEvent } from '../../../src/reports/notify/event.ts';
import { forgetOld, openOutbox, outboxFolder } from '../../../src/reports/notify/outbox.ts';
import { DAMAGE } from '../../support/damage.ts';
import { fillDisk, mountTmpfs } from '../../support/mounts.ts';
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

it('I15: what a full disk keeps from being written is told all the same, and named where it is lost', async () => {
  const work = temporaryFolder();
  await mountTmpfs(join(work, 'notify'), 'size=16k');
  fillDisk(join(work, 'notify'));
  const server = createServer((_, answer) => void answer.writeHead(status).end());
  let status = 503;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const secret = join(work, 'secret');
  writeFileSync(secret, 'secret', { mode: 0o600 });
  const sink = {
    type: 'webhook',
    name: 'hook',
    url: `http://127.0.0.1:${port}/`,
    events: ['complete'],
    secretFile: secret,
  };
  const courier = openCourier(work, sink as unknown as NotifyConfig);
  await courier.take(event('one'));
  const { signal } = new AbortController();
  expect(await courier.deliver(signal)).toMatch(
    /\(0 kept for the next run, 1 lost with this one: The disk is full: ENOSPC.*notify.*\)$/,
  );
  status = 204;
  expect(await courier.deliver(signal)).toBeUndefined();
  status = 503;
  expect(await courier.deliver(signal)).toBeUndefined();
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
