import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { standInPrograms } from '../support/guest-world.ts';
import { type CliResult, makeWorld, records, runCli, type World } from '../support/world.ts';

let world: World;
let night: CliResult;
// A QEMU whose machines end before anybody can log in.
beforeAll(async () => {
  const types = ['generic-cloud', 'vagrant-libvirt'];
  const smokeTest = '{images: [vagrant-libvirt], timeout: 20}';
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), { images: types, smokeTest });
  const bin = join(world.dir, 'bin');
  mkdirSync(bin);
  const qemu = `#!/bin/sh
for word; do case $word in file:*) echo 'Kernel panic' > "\${word#file:}" ;; esac; done
exit 3
`;
  writeFileSync(join(bin, 'qemu-system-x86_64'), qemu, { mode: 0o755 });
  night = await runCli(world.dir, ['nightly'], { PATH: `${bin}:${process.env['PATH']}` });
});
afterAll(async () => {
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

test('I7: an image that does not come up is exit code 12, with the last lines of its serial log', () => {
  expect(night.code, night.stderr).toBe(12);
  expect(night.stdout).toContain('Kernel panic');
  expect(night.stderr).toMatch(/✗ smoke-test-vagrant-libvirt/);
});

test('it stays here to be looked at, with its serial log, and is published nowhere', async () => {
  const [meta] = await records(world);
  const id = String(meta?.['buildid']);
  const here = join(world.dir, 'work/builds', id, 'x86_64');
  const there = join(world.published, 'builds', id, 'x86_64');
  expect(await readdir(join(here, 'images'))).toHaveLength(2);
  expect(existsSync(join(here, 'logs/smoke-test-vagrant-libvirt.serial.log'))).toBe(true);
  expect(await readdir(join(there, 'images'))).toEqual([`mini-${id}-GenericCloud.qcow2`]);
  expect(readFileSync(join(there, 'SHA256SUMS'), 'utf8')).not.toContain('Vagrant');
  expect(existsSync(join(world.published, 'vagrant'))).toBe(false);
  expect(meta?.['atomic-nightly.state']).toBe('gate-failed');
  expect((await world.nightly('show', id)).stdout).toMatch(
    /^Refused image vagrant-libvirt, not published: images\/mini-/m,
  );
  expect(Object.keys(meta?.['images'] ?? {})).toEqual(['generic-cloud']);
  expect(Object.keys(meta?.['atomic-nightly.refused-images'] ?? {})).toEqual(['vagrant-libvirt']);
});

test('the tree is published, but the tested ref and its pointer do not move', () => {
  expect(existsSync(join(world.published, 'repo/refs/heads/mini/x86_64/nightly'))).toBe(true);
  expect(existsSync(join(world.published, 'repo/refs/heads/mini/x86_64/nightly-tested'))).toBe(false);
  expect(existsSync(join(world.published, 'streams/nightly/tested.json'))).toBe(false);
});

test("an image that boots and fails a test of the SIG's own is exit code 12 and published nowhere, until it passes", async () => {
  const tests = join(world.dir, 'tests');
  mkdirSync(tests);
  writeFileSync(join(tests, 'looks'), '#!/bin/sh\necho the reason\nexit 1\n', { mode: 0o755 });
  const config = readFileSync(world.config, 'utf8')
    .replace('images: [generic-cloud, vagrant-libvirt]', 'images: [generic-cloud]')
    .replace(/smoke-test: .*/, 'smoke-test: {timeout: 60}\n    tests: {dir: ./tests, gate: true}');
  writeFileSync(world.config, config);
  const env = standInPrograms(world.dir, join(world.dir, 'work/builds'));
  const failed = await runCli(world.dir, ['nightly', '--force'], env);
  expect(failed.code, failed.stderr).toBe(12);
  expect(failed.stdout).toContain('the reason');
  const meta = (await records(world)).at(-1);
  const there = join(world.published, 'builds', String(meta?.['buildid']), 'x86_64');
  const testedRef = join(world.published, 'repo/refs/heads/mini/x86_64/nightly-tested');
  expect(meta?.['atomic-nightly.state']).toBe('gate-failed');
  expect([existsSync(join(there, 'images')), existsSync(testedRef)]).toEqual([false, false]);
  expect(JSON.parse(readFileSync(join(there, 'tests.json'), 'utf8')).results).toMatchObject([
    { name: 'looks', image: 'generic-cloud', verdict: 'failed', 'starts-from': meta?.['buildid'] },
  ]);
  expect(readFileSync(join(there, 'logs/test-generic-cloud.looks.log'), 'utf8')).toContain('the reason');
  expect(readFileSync(join(there, 'index.html'), 'utf8')).toMatch(
    /<td>failed<\/td><th scope="row"><a href=[^>]*>looks</,
  );

  writeFileSync(join(tests, 'looks'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const mended = await runCli(world.dir, ['resume', String(meta?.['buildid'])], env);
  expect(mended.code, mended.stderr).toBe(0);
  expect(await readdir(join(there, 'images'))).toHaveLength(1);
  expect(readFileSync(testedRef, 'utf8').trim()).toBe(meta?.['ostree-commit']);
});
