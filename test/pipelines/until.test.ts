import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, pulled, records } from '../support/world.ts';

it('a night that is asked to end after a step ends well there, says what is left, and is gone on with', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  const until = async (step: string, ...more: string[]) => {
    const { code, stdout, stderr } = await world.nightly('nightly', '--until', step, ...more, '--json');
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  const resolved = await until('resolve');
  expect(resolved).toMatchObject({ state: 'stopped', after: 'resolve', left: ['compose', 'push', 'images'] });
  expect((await records(world))[0]).toMatchObject({
    'atomic-nightly.state': 'interrupted',
    'atomic-nightly.stopped-after': 'resolve',
  });
  expect(await until('compose', '--resume')).toMatchObject({ build: resolved.build, left: ['push', 'images'] });
  expect(existsSync(join(world.published, 'repo'))).toBe(false);
  const resumed = await world.nightly('resume');
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(resumed.stderr).toMatch(/compose: done in an earlier attempt/);
  const all = await records(world);
  expect(all).toHaveLength(1);
  expect(all[0]).toMatchObject({ buildid: resolved.build, 'atomic-nightly.state': 'complete' });
  expect(all[0]).not.toHaveProperty('atomic-nightly.stopped-after');
  expect(await pulled(world, join(world.dir, 'client'))).toBe(all[0]?.['ostree-commit']);

  // A stream without images is complete once its tree is out, and what is finished is not gone on with.
  await world.distro.bump('app');
  const second = await until('push', '--resume');
  expect(second).toMatchObject({ state: 'complete' });
  expect(second.build).not.toBe(resolved.build);
  expect(await world.nightly('nightly', '--until', 'push')).toMatchObject({ code: 10 });
  // One that was forced stays so.
  const forced = await until('compose', '--force');
  expect(await world.nightly('resume')).toMatchObject({ code: 0, stdout: expect.stringContaining('is complete') });
  expect((await records(world)).at(-1)).toMatchObject({ buildid: forced.build, 'atomic-nightly.state': 'complete' });
  expect(await world.nightly('nightly', '--until', 'image')).toMatchObject({ code: 2 });
});
