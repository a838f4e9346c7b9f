import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, pulled, records } from '../support/world.ts';

/**
 * What atomic-nightly published before its commits were big-endian (a night of 2025-01-01 from metadata of
 * 2025-01-01T02:53:20Z): the whole target, as commit 8c70152 left it.
 */
const BEFORE = fileURLToPath(new URL('../fixtures/published-host-order.tar.xz', import.meta.url));
const NIGHT = '94bae3f88e7e2c888a5e0bc3b97150c504f4852c6f20c4c233b8f05c51571513';
const PACKAGES = {
  packages: ['filesystem', 'setup', 'mini-release', 'lib'],
  'add-commit-metadata': { 'mini.number': 7 },
};

test('a history that was published in the old byte order goes on, and its gates hold', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  await run('tar', ['-xJf', BEFORE, '-C', world.published]);
  await world.distro.writeTreefile(PACKAGES);

  // A mirror that lags behind what the old night was made from.
  const lag = async (seconds: number) => {
    const revision = ['--revision', String(seconds), '--set-timestamp-to-revision'];
    await run('createrepo_c', ['--quiet', '--no-database', '--simple-md-filenames', ...revision, world.distro.repoDir]);
  };
  await lag(1_735_699_999);
  const stale = await world.nightly('nightly');
  expect(stale.code).toBe(1);
  expect(stale.stderr).toContain('made from metadata of 2025-01-01T02:53:20.000Z: the mirror lags behind');

  await lag(1_735_700_000);
  await world.distro.bump('lib');
  const night = await world.nightly('nightly', '--json');
  expect(night.stderr).not.toContain('✗');
  expect(night.code).toBe(0);
  const { build, commit } = JSON.parse(night.stdout);
  expect((await records(world)).at(-1)?.['atomic-nightly.parent']).toBe(NIGHT);
  const client = join(world.dir, 'client');
  expect(await pulled(world, client)).toBe(commit);
  const { stdout } = await run('ostree', [`--repo=${client}`, 'show', '--raw', commit]);
  expect(stdout).toMatch(/'timestamp': <uint64 17\d{8}>/);
  expect(stdout).toContain("'mini.number': <int64 7>");
  expect((await world.nightly('show', build)).stdout).toContain('lib 1.0-1 -> 1.0-2');
  const index = JSON.parse(await readFile(join(world.published, 'builds/builds.json'), 'utf8'));
  expect(index.builds.map(({ id }: { id: string }) => id)).toEqual([build, '20250101_01']);
});
