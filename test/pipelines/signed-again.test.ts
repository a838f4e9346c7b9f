import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { BASE_RECIPES } from '../support/mini-recipes.ts';
import { nevraOf, signRpm, testKey } from '../support/mini-rpm.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, runCli } from '../support/world.ts';

const STAND_IN = fileURLToPath(new URL('../support/stand-in-rpm-ostree.mjs', import.meta.url));

test('with rpm-ostree too, a package that is only signed again is unchanged; beside a new one only that one differs', async () => {
  const world = await makeWorld(temporaryFolder(), { signed: true });
  onTestFinished(() => world.stop());
  const { distro, dir } = world;
  const text = await readFile(world.config, 'utf8');
  await writeFile(world.config, text.replace(/^engine: .*$/m, `engine: {type: rpm-ostree, command: ["${STAND_IN}"]}`));
  await run('mkdir', ['-p', join(dir, 'var-tmp')]);
  const nightly = (...args: string[]) => runCli(dir, args, { RPM_OSTREE_STAND_IN: dir });
  const names = ['filesystem', 'setup', 'app', 'svc'];
  expect(BASE_RECIPES.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
  const rpmOf = (name: string) => join(distro.repoDir, `${nevraOf(distro.recipe(name)).replace(/-\d+:/, '-')}.rpm`);
  let count = 0;
  /** What rpm-ostree would install: the newest of each, with the files that the repository has now. */
  const state = async () => {
    count += 1;
    const rpmdb = join(dir, `rpmdb-${count}`);
    const options = ['--justdb', '--nodeps', '--nosignature', '--root', '/', '--dbpath', rpmdb];
    await run('rpm', ['--install', ...options, ...names.map(rpmOf)]);
    const nevras = names.map((name) => nevraOf(distro.recipe(name)));
    const packages = Object.fromEntries(names.map((name, at) => [name, nevras[at]?.slice(name.length + 1)]));
    const digests = Object.fromEntries(
      await Promise.all(names.map(async (name, at) => [nevras[at], `sha256:${await sha256File(rpmOf(name))}`])),
    );
    await run('createrepo_c', ['--quiet', '--no-database', '--revision', String(count), distro.repoDir]);
    await writeFile(join(dir, 'state.json'), JSON.stringify({ version: '2026.2', packages, digests, rpmdb }));
  };

  await state();
  const first = await nightly('nightly', '--json');
  expect(first.stderr).not.toContain('✗');
  const { build } = JSON.parse(first.stdout);
  // All that an auditor asks of a build is in its record, whichever engine it has.
  expect((await records(world)).at(-1)).toMatchObject({
    'atomic-nightly.engine': { name: 'rpm-ostree', version: '2026.2' },
    'atomic-nightly.inputs': {
      repositories: {
        mini: { url: expect.stringMatching(/^file:/), repomd: expect.stringMatching(/^[0-9a-f]{64}$/) },
      },
      programs: { 'atomic-nightly': expect.any(String), ostree: expect.any(String) },
    },
  });

  await signRpm(rpmOf('app'), (await testKey()).home);
  await state();
  const same = await nightly('nightly');
  expect(same.stderr).not.toContain('✗');
  expect(same.code).toBe(10);
  expect(same.stdout + same.stderr).toContain('signed again and are the same otherwise: app-1:2.0-1.noarch');

  await signRpm(rpmOf('app'), (await testKey()).home);
  await distro.bump('svc');
  await state();
  const second = await nightly('nightly', '--json');
  expect(second.stderr).not.toContain('✗');
  const next = JSON.parse(second.stdout).build;
  expect((await nightly('provenance', build, next)).stdout).toMatch(/^Changed:\n {2}svc-[^\n]*\n {4}-> svc-[^\n]*\n$/);
  expect((await nightly('diff', build, next)).stdout).toMatch(/^Upgraded:\n {2}svc .*\n(?! )/);
  const signatures = await readFile(join(dir, 'work/builds', next, 'x86_64/signatures.json'), 'utf8');
  expect(JSON.parse(signatures).packages['app-1:2.0-1.noarch'].file).toBe(`sha256:${await sha256File(rpmOf('app'))}`);
});
