import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { sha256File } from '../../../src/base/files.ts';
import { BASE_RECIPES } from '../../support/mini-recipes.ts';
import { nevraOf } from '../../support/mini-rpm.ts';
import { json, makeReleaseWorld, night, pulledRelease, recordOf } from '../../support/release-world.ts';

test('with rpm-ostree as engine, a promotion is held to the packages that were checked', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  const world = await makeReleaseWorld(dir);
  const home = join(dir, 'stand-in');
  await mkdir(join(home, 'var-tmp'), { recursive: true });
  const program = join(home, 'rpm-ostree');
  await symlink(fileURLToPath(new URL('../../support/stand-in-rpm-ostree.mjs', import.meta.url)), program);
  const packages = Object.fromEntries(
    BASE_RECIPES.map((recipe) => [recipe.name, nevraOf(recipe).slice(recipe.name.length + 1)]),
  );
  const digests: Record<string, string> = {};
  for (const recipe of BASE_RECIPES) {
    const file = join(world.distro.repoDir, `${nevraOf(recipe).replace(/-\d+:/, '-')}.rpm`);
    digests[nevraOf(recipe)] = `sha256:${await sha256File(file)}`;
  }
  await writeFile(join(home, 'state.json'), JSON.stringify({ version: '2026.2', packages, digests }));
  process.env['RPM_OSTREE_STAND_IN'] = home;
  onTestFinished(async () => {
    delete process.env['RPM_OSTREE_STAND_IN'];
    await world.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const text = await readFile(world.config, 'utf8');
  await writeFile(world.config, text.replace('engine: dnf', `engine: {type: rpm-ostree, command: [${program}]}`));

  const id = await night(world);
  // A newer package must not get in.
  await world.distro.bump('app');
  const state = { version: '2026.2', digests, packages: { ...packages, app: '1:2.0-2.noarch' }, older: packages };
  await writeFile(join(home, 'state.json'), JSON.stringify(state));
  const { build, commit } = await json<{ build: string; commit: string }>(world, 'promote', id);
  const [before, after] = [await recordOf(world, id), await recordOf(world, build)];
  expect(after.ostreeContentChecksum).toBe(before.ostreeContentChecksum);
  expect(await pulledRelease(world, join(dir, 'client'))).toBe(commit);
  const calls = (await readFile(join(home, 'calls.ndjson'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const last = calls.at(-1);
  expect(last.argv).toContain('--ex-lockfile-strict');
  expect(last.argv.at(-1)).toMatch(/work\/scratch\/\d+_\d+\/treefile\/mini\.yaml$/);
  // The night's own time, so that the tree can be the night's.
  expect(last.epoch).toBe(String(Date.parse(before.ostreeTimestamp) / 1000));
});
