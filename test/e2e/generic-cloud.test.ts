import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bootImage, type Vm } from '../../src/boot/boot-image.ts';
import { checkSystem } from '../../src/boot/check-system.ts';
import { inGuest } from '../../src/boot/in-guest.ts';
import { reboot } from '../../src/boot/upgrade.ts';
import { type LabImage, labImage } from '../support/lab-image.ts';
import { testTask } from '../support/tmp.ts';

// The demo boots from BIOS, upgrades and rolls back. This is the rest: UEFI, XFS, a disk larger than the image, and what
// a host has to make for itself at its first boot.
const GIB = 1024 ** 3;
const BOOT_SECONDS = 800;

let dir: string;
let lab: LabImage;
let vm: Vm | undefined;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-e2e-'));
  const task = testTask(dir);
  // The commonest change that a project of its own makes: another disk.
  const disk = 'disk: {size: 4 GiB, root-filesystem: xfs}';
  lab = await labImage(dir, `extends: generic-cloud\n${disk}\n`, task);
  const serialLog = join(dir, 'serial.log');
  const bigger = { diskBytes: 6 * GIB, firmware: 'uefi' as const };
  vm = await bootImage({ image: lab.image.path, timeoutSeconds: BOOT_SECONDS, serialLog, ...bigger }, task);
});
afterAll(async () => {
  await vm?.stop();
  await rm(dir, { recursive: true, force: true });
});

function machine(): Vm {
  if (vm === undefined) throw new Error('the machine was not booted');
  return vm;
}

async function guest(command: string): Promise<string> {
  return (await inGuest(machine(), command, testTask(dir))).stdout.trim();
}

test('booted from UEFI, the system is running on the commit and version of the image', async () => {
  expect(await guest('test -d /sys/firmware/efi && echo efi')).toBe('efi');
  const expected = { commit: lab.commit, version: lab.version, allowDegraded: [], timeoutSeconds: 600 };
  expect(await checkSystem(machine(), expected, testTask(dir))).toMatchObject({ state: 'running', failedUnits: [] });
});

test('the root file system is XFS and grew to the larger disk', async () => {
  expect(await guest('findmnt -no FSTYPE /sysroot')).toBe('xfs');
  expect(Number(await guest('df --output=size -B1 /sysroot | tail -n 1'))).toBeGreaterThan(4 * GIB);
});

test('I9 the host made its own machine-id and ssh host keys', async () => {
  expect(await guest('cat /etc/machine-id')).toMatch(/^[0-9a-f]{32}$/);
  expect(await guest('ls /etc/ssh/ssh_host_ed25519_key.pub')).toBe('/etc/ssh/ssh_host_ed25519_key.pub');
});

test('/boot is mounted and its menu belongs to the booted deployment', async () => {
  expect(await guest('findmnt -no FSTYPE /boot')).toBe('ext4');
  const deployed = /ostree=\S+/.exec(await guest('cat /proc/cmdline'))?.[0] ?? 'none';
  expect(await guest('cat /boot/loader/grub.cfg')).toContain(deployed);
});

test('it comes up again after a restart, with the same machine-id', async () => {
  const before = await guest('cat /etc/machine-id');
  await reboot(machine(), BOOT_SECONDS, testTask(dir));
  expect(await guest('cat /etc/machine-id')).toBe(before);
});
