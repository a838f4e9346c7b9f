import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld } from '../support/world.ts';

test('RPM files that no kept night needs leave the compose cache; those of kept nights stay for promotions', async () => {
  const world = await makeWorld(await temporaryFolder(), { stream: ['retention: {builds: 2}'] });
  onTestFinished(() => world.stop());
  const cached = async () => {
    const files = await filesBelow(join(world.dir, 'work/cache/nightly'));
    return files.map((path) => basename(path)).filter((name) => /^app-.*\.rpm$/.test(name));
  };
  const night = async () => expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  await night();
  await world.distro.bump('app');
  await night();
  expect((await cached()).sort()).toEqual(['app-2.0-1.noarch.rpm', 'app-2.0-2.noarch.rpm']);
  // Nights without changes need no packages, and take nobody's place.
  for (let count = 0; count < 2; count += 1) expect(await world.nightly('nightly')).toMatchObject({ code: 10 });
  await world.distro.bump('app');
  await night();
  expect((await cached()).sort()).toEqual(['app-2.0-2.noarch.rpm', 'app-2.0-3.noarch.rpm']);
});
