import { copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import { freePort } from '../../src/base/free-port.ts';
import { chooseAccelerator } from '../../src/boot/accelerator.ts';
import { bootImage, type Vm } from '../../src/boot/boot-image.ts';
import { waitForSsh } from '../../src/boot/boot-wait.ts';
import { checkSystem } from '../../src/boot/check-system.ts';
import { inGuest } from '../../src/boot/in-guest.ts';
import { findOvmf } from '../../src/boot/ovmf.ts';
import { runInstaller } from '../../src/boot/run-installer.ts';
import { reboot, upgrade } from '../../src/boot/upgrade.ts';
import { createDnfEngine } from '../../src/engines/dnf/dnf-engine.ts';
import { buildIso } from '../../src/images/iso/iso.ts';
import { run } from '../../src/programs/exec.ts';
import { createRef, initRepo } from '../../src/programs/ostree.ts';
import { type Accelerator, startMachine } from '../../src/programs/qemu.ts';
import { createOverlay } from '../../src/programs/qemu-img.ts';
import { makeSshKey } from '../../src/programs/ssh.ts';
import { makeIso } from '../../src/programs/xorriso.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { ISO_SIZES } from '../images/synthetic-tree.ts';
import type { StaticServer } from '../support/nginx.ts';
import { serveFolder } from '../support/nginx.ts';
import { testLab } from '../support/test-lab.ts';
import { testTask } from '../support/tmp.ts';

const VERSION = '20260921_01';
const NEXT_VERSION = '20260922_01';
const TIMESTAMP = 1_790_000_000;
const REF = 'lab-atomic-host/x86_64/nightly';
const DISK_BYTES = 4 * 1024 ** 3;
const SECONDS = 800;

let dir: string;
let repo: string;
let commit: string;
let iso: string;
let server: StaticServer | undefined;
let accelerator: Accelerator;
const running: { stop(): Promise<void> }[] = [];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-e2e-'));
  const task = testTask(dir);
  const scratchDir = join(dir, 'scratch');
  await mkdir(scratchDir);
  server = await serveFolder({ root: dir, port: await freePort(), task });
  const lab = await testLab(join(dir, 'lab'), server.url, task);
  const treefile = await readTreefile(lab.treefile, { basearch: 'x86_64' });
  repo = join(dir, 'repo');
  await initRepo(repo, 'archive', task);
  const engine = await createDnfEngine();
  const cacheDir = join(dir, 'cache');
  const { lockfile, inputHash } = await engine.resolve({ treefile, cacheDir, repo }, task);
  const inputs = { treefile, lockfile, inputHash, cacheDir, scratchDir, repo, repoTimestamps: {}, metadata: {} };
  ({ commit } = await engine.compose({ ...inputs, ref: REF, version: VERSION, timestamp: TIMESTAMP }, task));
  iso = join(dir, 'lab.iso');
  await buildIso(
    {
      ...{ repo, commit, ref: REF, version: VERSION, osName: 'lab', scratchDir, timestamp: TIMESTAMP },
      remote: { name: 'lab-atomic', url: `${server.url}/repo` },
    },
    { kernelArguments: ['console=tty0', 'console=ttyS0,115200n8'], menuSeconds: 1, sizes: ISO_SIZES },
    iso,
    task,
  );
  accelerator = await chooseAccelerator(task);
});
afterAll(async () => {
  for (const machine of running) await machine.stop();
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function blankDisk(name: string): Promise<string> {
  const disk = join(dir, name);
  await writeFile(disk, '');
  await truncate(disk, DISK_BYTES);
  return disk;
}

test('from a disc by BIOS: installed unattended, the disk boots, follows its remote and upgrades', async () => {
  const task = testTask(dir);
  const disk = await blankDisk('bios.raw');
  const answers = ['disk vda', 'hostname from-the-disc'];
  const installer = { iso, accelerator, timeoutSeconds: SECONDS, serialLog: join(dir, 'installer-serial.log') };
  const serial = await runInstaller({ ...installer, as: 'disc', firmware: 'bios', disk, answers }, dir, task);
  expect(serial).toMatch(/^ATOMIC-INSTALL-DONE: Lab Atomic Host 20260921_01 is on \/dev\/vda\.$/m);

  const port = server?.port ?? 0;
  const serialLog = join(dir, 'bios-serial.log');
  const boot = { image: disk, timeoutSeconds: SECONDS, serialLog, accelerator, reversePorts: [port] };
  const vm = await bootImage({ ...boot, firmware: 'bios' }, task);
  running.push(vm);
  const expected = { allowDegraded: [], timeoutSeconds: 600 };
  await checkSystem(vm, { ...expected, commit, version: VERSION }, task);
  expect((await inGuest(vm, 'sudo cat /var/log/atomic-install.log', task)).stdout).toContain('Partitioning /dev/vda');

  const next = await nextNight();
  await upgrade(vm, { commit: next, version: NEXT_VERSION }, task);
  await reboot(vm, SECONDS, task);
  await checkSystem(vm, { ...expected, commit: next, version: NEXT_VERSION }, task);
  await vm.stop();
});

/** One more file, as a new night at the ref. */
async function nextNight(): Promise<string> {
  const change = join(dir, 'change');
  await mkdir(join(change, 'usr/share'), { recursive: true });
  await writeFile(join(change, 'usr/share/next-night'), 'new\n');
  const { stdout } = await run('ostree', [
    ...['commit', `--repo=${repo}`, `--branch=${REF}`, `--parent=${commit}`, `--timestamp=@${TIMESTAMP + 86_400}`],
    ...[`--add-metadata-string=version=${NEXT_VERSION}`, `--tree=ref=${commit}`, `--tree=dir=${change}`],
  ]);
  await createRef(repo, REF, stdout.trim(), testTask(dir));
  return stdout.trim();
}

test('from a stick by UEFI: the medium is checked, and who the answers name may log in', async () => {
  const task = testTask(dir);
  const disk = await blankDisk('uefi.raw');
  const keyFile = join(dir, 'key');
  const key = await makeSshKey(keyFile, 'e2e', task);
  const answers = ['disk /dev/vda', 'check yes', 'hostname from-the-stick', 'user admin', `ssh-key ${key}`];
  const installer = { iso, accelerator, timeoutSeconds: SECONDS, serialLog: join(dir, 'installer-serial.log') };
  const serial = await runInstaller({ ...installer, as: 'stick', firmware: 'uefi', disk, answers }, dir, task);
  expect(serial).toContain('The medium is as it was made');
  expect(serial).toContain('ATOMIC-INSTALL-DONE');

  const vm = await bootInstalled(disk, keyFile);
  running.push(vm);
  await checkSystem(vm, { commit, version: VERSION, allowDegraded: [], timeoutSeconds: 600 }, task);
  expect((await inGuest(vm, 'hostname; sudo id -u; test -d /sys/firmware/efi && echo efi', task)).stdout).toBe(
    'from-the-stick\n0\nefi\n',
  );
  await vm.stop();
});

/** Boots a disk by UEFI without a seed for cloud-init. */
async function bootInstalled(disk: string, keyFile: string): Promise<Vm> {
  const task = testTask(dir);
  const overlay = join(dir, 'uefi.qcow2');
  await createOverlay(disk, 'raw', overlay, DISK_BYTES, task);
  const { code, variables: empty } = await findOvmf();
  const variables = join(dir, 'variables.fd');
  await copyFile(empty, variables);
  const sshPort = await freePort();
  const serialLog = join(dir, 'uefi-serial.log');
  // The place of the seed has to hold some ISO; the installer would boot.
  const seed = join(dir, 'no-seed.iso');
  await makeIso(seed, 'EMPTY', join(dir, 'scratch'), task);
  const hardware = { dir, accelerator, cpus: 2, memoryMib: 1536, disk: overlay, seed };
  const machine = await startMachine({ ...hardware, sshPort, serialLog, uefi: { code, variables } }, task);
  let exitCode: number | null | undefined;
  void machine.exited.then((value) => {
    exitCode = value;
  });
  const host = { address: '127.0.0.1', port: sshPort, user: 'admin', keyFile };
  const vm = { host, accelerator, serialLog, reversePorts: [], bootSeconds: 0, ended: () => exitCode };
  const stoppable = { ...vm, exited: machine.exited, stop: () => machine.stop() };
  running.push(stoppable);
  await waitForSsh(stoppable, SECONDS, task);
  return stoppable;
}

test('a disk that holds data is refused: the machine powers off, saying so, and nothing is written', async () => {
  const task = testTask(dir);
  const disk = await blankDisk('data.raw');
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', disk]);
  const before = await sha256File(disk);
  const installer = { iso, accelerator, timeoutSeconds: SECONDS, serialLog: join(dir, 'installer-serial.log') };
  const answers = ['disk vda', 'hostname never'];
  const serial = await runInstaller({ ...installer, as: 'stick', firmware: 'bios', disk, answers }, dir, task);
  expect(serial).toMatch(/^ATOMIC-INSTALL-FAILED: \/dev\/vda holds data \(ext4\)\. Nothing was changed\./m);
  expect(await sha256File(disk)).toBe(before);
});
