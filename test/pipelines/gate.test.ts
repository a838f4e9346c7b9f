import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
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
