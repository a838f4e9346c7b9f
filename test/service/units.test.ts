import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records } from '../support/world.ts';

const units = new URL('../../systemd/', import.meta.url).pathname;
/** It may lie in a folder that the sandbox hides. */
const project = new URL('../..', import.meta.url).pathname;
const program = join(project, 'bin/atomic-nightly.js');

test('systemd takes the units as they are', async () => {
  const folder = temporaryFolder();
  for (const name of (await readdir(units)).filter((one) => !one.endsWith('.d'))) {
    const text = await readFile(join(units, name), 'utf8');
    // The one thing that is not on this machine.
    await writeFile(join(folder, name), text.replaceAll('/usr/bin/atomic-nightly', program));
  }
  const names = (await readdir(folder)).map((name) => join(folder, name));
  const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', ...names]);
  expect(stdout + stderr).toBe('');
  await writeFile(join(folder, 'bad.service'), '[Service]\nExecStart=/bin/true\nProtectSystem=very\n');
  const bad = await run('systemd-analyze', ['verify', '--man=no', join(folder, 'bad.service')], {
    okExitCodes: [0, 1],
  });
  expect(bad.stderr).toContain('Failed to parse protect system value');
});

test('a night with images needs nothing that the sandbox of the service takes away', async () => {
  const folder = temporaryFolder();
  const world = await makeWorld(folder, { images: ['generic-cloud'] });
  onTestFinished(() => world.stop());
  const unit = await readFile(join(units, 'atomic-nightly.service'), 'utf8');
  const dropped = /^CapabilityBoundingSet=~(.*)$/m.exec(unit)?.[1]?.toLowerCase().split(' ') ?? [];
  expect(dropped).toContain('cap_sys_module');
  // What ProtectSystem=strict, ReadWritePaths, PrivateTmp, ProtectHome and ProtectKernelTunables do to the file systems.
  const rootFs = `
    mount --make-rprivate /
    mount --bind "$1" /mnt
    mount --bind "$2" /media
    for part in $(awk '$5 !~ "^/(mnt|proc|dev)" {print $5}' /proc/self/mountinfo); do mount -o remount,bind,ro "$part" || true; done
    mount -o remount,bind,ro /proc/sys || mount --bind -o ro /proc/sys /proc/sys
    mount -t tmpfs tmpfs /var/tmp
    mount -t tmpfs tmpfs /root
    mount -t tmpfs tmpfs /tmp
    mkdir -p "$1" "$2"
    mount --move /mnt "$1"
    mount --move /media "$2"
    cd "$1"
    shift 2
    touch /etc/probe && exit 99
    exec capsh --drop=${dropped.join(',')} -- -c 'exec "$0" "$@"' "$@"`;
  const shut = await run(
    'unshare',
    ['--mount', 'sh', '-c', rootFs, 'sh', folder, project, process.execPath, program, 'nightly'],
    { okExitCodes: [0, 1, 2, 99, 255] },
  );
  expect(shut.stderr).not.toContain('✗');
  expect(shut.exitCode).toBe(0);
  expect((await records(world)).map((build) => build['atomic-nightly.state'])).toEqual(['complete']);
});
