import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records } from '../support/world.ts';

test('RPM files that no kept night needs leave the compose cache; those of kept nights stay for promotions', async () => {
  const world = await makeWorld(await temporaryFolder(), {
    stream: ['retention: {builds: 2}'],
    target: (path, url) => `{type: directory, path: ${path}, url: '${url}', retention: {refs: {'*': {depth: 1}}}}`,
  });
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

  // I8, I15: a night is none the worse for a damaged tag, and deletes nothing. Then a tag keeps what else would go.
  const second =
    (await records(world)).filter((one) => one['atomic-nightly.state'] === 'complete')[1]?.['buildid'] ?? '';
  expect((await world.nightly('tag', second, 'keep-it')).code).toBe(0);
  await writeFile(join(world.dir, 'work/tags/bad.json'), '{');
  await world.distro.bump('app');
  const spoilt = await world.nightly('nightly');
  expect(spoilt).toMatchObject({ code: 0, stderr: expect.stringContaining('nothing is deleted from buildlogs: ') });
  expect(await cached()).toHaveLength(3);
  const refused = await world.nightly('prune');
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('tags/bad.json is damaged') });
  expect((await world.nightly('tag', '--delete', 'bad')).code).toBe(0);
  const pruned = await world.nightly('prune', '--dry-run');
  expect(pruned.stdout).toMatch(new RegExp(`^ +${second} +[0-9a-f]{12} +stays: tag keep-it$`, 'm'));
  expect(pruned.stdout.match(/given up, goes after/g)).toHaveLength(2);
});
