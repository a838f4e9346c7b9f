import { expect, test } from 'vitest';
import { pagesApp } from '../../src/service/live/live-app.ts';
import { openWork } from '../../src/service/live/work-folder.ts';
import { resolveDispute } from '../../src/steps/rebuild/resolve-dispute.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { NOON, rebuildWorld } from '../support/trust-world.ts';

const rpm = (text: string) =>
  buildMiniRpm({
    ...{ name: 'hello', version: '1.0', release: '1', arch: 'x86_64' },
    files: [{ path: '/usr/bin/hello', text, mode: '0755' }],
  });

test('the pages of builders and of a dispute say what differs, who may be wrong, and what people found', async () => {
  const world = await rebuildWorld(temporaryFolder());
  const app = pagesApp({ config: world.config, work: openWork(world.config.work) });
  const page = async (path: string) => {
    const answer = await app.request(path);
    return { status: answer.status, text: (await answer.text()).replaceAll(/\s+/g, ' ') };
  };
  await world.submit({ builder: 'alpha', rpms: [await rpm('one')] });
  const { disputes } = await world.submit({ builder: 'beta', rpms: [await rpm('other')] });
  const path = `/builders/disputes/${disputes[0]}`;
  const list = await page('/builders/');
  for (const part of [
    'one.example',
    '1 open',
    'hello-1.0-1.src',
    'one.example/alpha, two.example/beta',
    'not revealed yet',
  ])
    expect(list.text).toContain(part);
  const open = await page(path);
  for (const part of [
    'FILEDIGESTS',
    '/usr/bin/hello: ',
    'not necessarily the cheat',
    'Nobody has resolved it yet',
    'one/hello-1.0-1.x86_64.rpm',
  ])
    expect(open.text).toContain(part);
  const note = '<script>alert(1)</script>';
  const finding = {
    dispute: disputes[0] ?? '',
    verdict: 'tampered',
    builders: ['beta'],
    by: 'Jane Doe',
    note,
  } as const;
  await resolveDispute(world.config, finding, testTask(world.dir), NOON);
  const settled = await page(path);
  expect(settled.text).toContain('Jane Doe: <strong>tampered</strong> (beta): &lt;script&gt;');
  expect(settled.text).not.toContain('not necessarily the cheat');
  expect((await page('/builders/')).text).toContain('suspended');
  expect((await page('/builders/disputes/..%2F..%2Fx')).status).toBe(404);
});
