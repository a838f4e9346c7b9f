import { expect, onTestFinished, test } from 'vitest';
import { configureService, endService, startServe } from '../support/service.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records } from '../support/world.ts';

test('three nights on a fast clock: complete, unchanged, failed on purpose and tried again; then all is well again', async () => {
  const world = await makeWorld(temporaryFolder(), { stream: ["schedule: {cron: '*/2 * * * * *'}"] });
  onTestFinished(() => world.stop());
  await configureService(world, ['retry: {times: 1, wait: 1s}']);
  const service = await startServe(world);
  onTestFinished(() => endService(service, world));

  await service.until(/build \d+_01 complete\n/);
  await service.until(/build \d+_02 unchanged\n/);
  const { version, release } = await world.distro.bumpBroken('app');
  await service.until(
    /build (\d+_\d+) failed; continues at .*\n(.*\n)*nightly: continues \1\n(.*\n)*nightly: build \1 failed; what it said: .*nightly\.log/,
  );
  await world.distro.remove('app', `${version}-${release}`);
  await world.distro.bump('app');
  const before = (await records(world)).filter((build) => build['atomic-nightly.state'] === 'complete').length;
  expect(before).toBe(1);
  await service.until(/complete\n(.*\n)*.*failed(.*\n)*.*complete\n/);

  const states = (await records(world)).map((build) => build['atomic-nightly.state']);
  expect(states.slice(0, 2)).toEqual(['complete', 'unchanged']);
  expect(states).toContain('failed');
  expect(await service.end('SIGTERM')).toBe(0);
});
