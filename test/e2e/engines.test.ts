import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { readCommit } from '../../src/ostree/objects.ts';
import { run } from '../../src/programs/exec.ts';
import { parseRepomd } from '../../src/rpm/repomd.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, pulled, records, runCli, startCli } from '../support/world.ts';

const STAND_IN = fileURLToPath(new URL('../support/stand-in-rpm-ostree.mjs', import.meta.url));
const seconds = () => Math.floor(Date.now() / 1000);

test('nights of one engine on top of those of the other: what changed, unchanged, a kill, and both gates', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  const env = { RPM_OSTREE_STAND_IN: world.dir };
  const nightly = (...args: string[]) => runCli(world.dir, args, env);
  const use = async (engine: string) => {
    const text = await readFile(world.config, 'utf8');
    await writeFile(world.config, text.replace(/^engine: .*$/m, `engine: ${engine}`));
  };
  const state = (more: object) => {
    const { generated } = parseRepomd(readFileSync(join(world.distro.repoDir, 'repodata/repomd.xml'), 'utf8'));
    writeFileSync(join(world.dir, 'state.json'), JSON.stringify({ version: '2026.2', generated, ...more }));
  };
  const repo = join(world.dir, 'work', 'repo');
  await run('mkdir', ['-p', join(world.dir, 'var-tmp')]);

  // dnf begins.
  const first = JSON.parse((await nightly('nightly', '--json')).stdout);
  const parent = await readCommit(repo, first.commit);
  const evra = (epoch: string, rest: string) => (epoch === '0' ? rest : `${epoch}:${rest}`);
  const packages = Object.fromEntries(
    (parent.packages ?? []).map(({ name, epoch, version, release, arch }) => [
      name,
      evra(epoch, `${version}-${release}.${arch}`),
    ]),
  );
  expect(packages['app']).toBe('1:2.0-1.noarch');

  // rpm-ostree follows: only what it upgraded differs.
  await use(`{type: rpm-ostree, command: ["${STAND_IN}"]}`);
  await world.distro.bump('app');
  state({ packages: { ...packages, app: '1:2.0-2.noarch' } });
  const second = await nightly('nightly', '--json');
  expect(second.stderr).not.toContain('✗');
  const { build, commit } = JSON.parse(second.stdout);
  expect(await readCommit(repo, commit)).toMatchObject({ parent: first.commit, refBindings: ['mini/x86_64/nightly'] });
  expect((await nightly('diff', first.build, build)).stdout).toMatch(
    /^Upgraded:\n {2}app 1:2\.0-1 -> 1:2\.0-2\nKernel/,
  );
  expect(await pulled(world, join(world.dir, 'client-1'))).toBe(commit);
  const unchanged = await nightly('nightly');
  expect(unchanged.stderr).not.toContain('✗');
  expect(unchanged.code).toBe(10);

  // Killed in the middle and gone on with.
  await world.distro.bump('app');
  state({ packages: { ...packages, app: '1:2.0-3.noarch' }, hang: true });
  const victim = startCli(world.dir, ['nightly'], env);
  victim.stdout.resume();
  victim.stderr.resume();
  while (!existsSync(join(world.dir, 'hanging'))) await sleep(50);
  process.kill(-(victim.pid ?? 0), 'SIGKILL');
  state({ packages: { ...packages, app: '1:2.0-3.noarch' } });
  const resumed = await nightly('resume');
  expect(resumed.stderr).not.toContain('✗');
  expect(resumed.code).toBe(0);
  const third = (await records(world)).at(-1)?.['ostree-commit'] ?? '';
  expect(await readCommit(repo, third)).toMatchObject({ parent: commit, repoTimestamps: { mini: expect.any(Number) } });

  // And back to dnf, whose gates read rpm-ostree's commit.
  await use('dnf');
  const lag = async (revision: number) => {
    const options = ['--quiet', '--no-database', '--simple-md-filenames', '--set-timestamp-to-revision'];
    await run('createrepo_c', [...options, '--revision', String(revision), world.distro.repoDir]);
  };
  await lag(seconds() - 3600);
  expect((await nightly('nightly')).stderr).toMatch(/Repository "mini" .* the mirror lags behind/);
  await world.distro.remove('app', '2.0-3');
  expect((await nightly('nightly')).stderr).toMatch(
    /older packages than the published commit:\n {2}app: 1:2\.0-3\.noarch → 1:2\.0-2\.noarch/,
  );
  await world.distro.publish({ ...world.distro.recipe('app'), release: '4' });
  const last = await nightly('nightly', '--json');
  expect(last.stderr).not.toContain('✗');
  const fourth = JSON.parse(last.stdout);
  expect(await readCommit(repo, fourth.commit)).toMatchObject({ parent: third });
  expect((await nightly('show', fourth.build)).stdout).toContain('app 1:2.0-3 -> 1:2.0-4');
  expect(readFileSync(join(world.published, 'repo/refs/heads/mini/x86_64/nightly'), 'utf8').trim()).toBe(fourth.commit);
});
