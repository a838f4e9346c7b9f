import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { BuildEvent } from '../../../src/reports/notify/event.ts';
import { openOutbox, outboxFolder } from '../../../src/reports/notify/outbox.ts';
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
