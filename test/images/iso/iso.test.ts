import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256File } from '../../../src/base/files.ts';
import { buildIso } from '../../../src/images/iso/iso.ts';
import { templatePath } from '../../../src/images/template/render-template.ts';
import { run } from '../../../src/programs/exec.ts';
import { listFat } from '../../../src/programs/mtools.ts';
import { extractFromIso, filesOfIso } from '../../../src/programs/xorriso.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { addBlscfgGrub, commitFolder, ISO_SIZES, imageRequest, REF, syntheticCommit } from '../synthetic-tree.ts';

const OPTIONS = {
  kernelArguments: ['console=tty0', 'console=ttyS0,115200n8', "it's=quoted"],
  menuSeconds: 5,
  sizes: ISO_SIZES,
};
const VOLUME_ID = 'SYNTHETIC-20260921_01';
const shared = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
afterAll(() => rmSync(shared, { recursive: true, force: true }));

let source: { readonly repo: string; readonly commit: string };
let iso: string;
let live: string;
beforeAll(async () => {
  source = await syntheticCommit(shared);
  iso = join(shared, 'synthetic.iso');
  await buildIso(await imageRequest(shared, source), OPTIONS, iso, testTask(shared));
  live = await unpackedLive(iso, shared);
});

async function unpackedLive(from: string, folder: string): Promise<string> {
  const packed = join(folder, 'root.squashfs');
  await extractFromIso(from, '/live/root.squashfs', packed, testTask(folder));
  const target = join(folder, 'live');
  await run('unsquashfs', ['-q', '-n', '-d', target, packed]);
  return target;
}

test('the disc boots from BIOS and UEFI, and as a disk by a GPT with the EFI partition', async () => {
  const { stdout } = await run('xorriso', ['-indev', iso, '-report_el_torito', 'plain', '-pvd_info']);
  expect(stdout).toMatch(/El Torito boot img :\s+1\s+BIOS\s+y/);
  expect(stdout).toMatch(/El Torito boot img :\s+2\s+UEFI\s+y/);
  expect(stdout).toMatch(new RegExp(`Volume Id\\s+: ${VOLUME_ID}`));
  const { partitiontable } = JSON.parse((await run('sfdisk', ['--json', iso])).stdout);
  expect(partitiontable.label).toBe('gpt');
  const types = partitiontable.partitions.map(({ type }: { type: string }) => type);
  expect(types).toContain('C12A7328-F81F-11D2-BA4B-00A0C93EC93B');
  const efi = join(shared, 'efi.img');
  await extractFromIso(iso, '/boot/grub/efi.img', efi, testTask(shared));
  expect(await listFat({ file: efi, offsetBytes: 0 }, testTask(shared))).toEqual(['/EFI/BOOT/BOOTX64.EFI']);
});

test('the repo on it has the whole commit under its ref, and a menu that finds the medium by its volume id', async () => {
  const repo = join(shared, 'extracted-repo');
  await run('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', '/ostree/repo', repo]);
  await run('chmod', ['-R', 'u+w', repo]);
  expect((await run('ostree', ['rev-parse', `--repo=${repo}`, REF])).stdout.trim()).toBe(source.commit);
  await run('ostree', ['fsck', `--repo=${repo}`]);
  const menu = join(shared, 'grub.cfg');
  await extractFromIso(iso, '/boot/grub/grub.cfg', menu, testTask(shared));
  expect(await readFile(menu, 'utf8')).toContain(` atomic.live=${VOLUME_ID} systemd.unit=atomic-install.target `);
});

test('the live system is the tree, unlocked: /etc in place, no identity, no second kernel', async () => {
  expect((await readFile(join(live, 'etc/passwd'), 'utf8')).startsWith('root:')).toBe(true);
  expect(await readFile(join(live, 'etc/machine-id'), 'utf8')).toBe('');
  expect(await readdir(join(live, 'usr'))).not.toContain('etc');
  expect(await readdir(join(live, 'usr/lib/modules/6.1.0'))).toEqual([]);
  expect((await stat(join(live, 'usr/lib/atomic-install/atomic-install'))).mode & 0o111).toBe(0o111);
});

test('the installer knows what to install, in shell quoting', async () => {
  const settings = join(live, 'usr/lib/atomic-install/settings');
  const show = '. "$0"; echo "$os_name|$commit|$ref|$remote|$remote_url|$kernel_arguments|$title"';
  const { stdout } = await run('dash', ['-c', show, settings]);
  expect(stdout.trim().split('|')).toEqual([
    ...['synthetic', source.commit, REF, 'synthetic', 'https://atomic.example.org/repo'],
    ...["console=tty0 console=ttyS0,115200n8 it's=quoted", 'Synthetic 20260921_01'],
  ]);
});

test('the head of a disk fits the partitions it comes with', async () => {
  const folder = join(live, 'usr/lib/atomic-install');
  const disk = join(shared, 'disk.raw');
  await writeFile(disk, '');
  await truncate(disk, 4 * 1024 ** 3);
  await run('sfdisk', ['-q', disk], { input: await readFile(join(folder, 'partitions.sfdisk')) });
  const { partitiontable } = JSON.parse((await run('sfdisk', ['--json', disk])).stdout);
  const [biosBoot, efi, boot] = partitiontable.partitions;
  const names = partitiontable.partitions.map(({ name }: { name: string }) => name);
  expect(names).toEqual(['bios-boot', 'efi', 'boot', 'root']);
  const head = join(folder, 'disk-head.img');
  expect((await stat(head)).size).toBe(boot.start * 512);
  const fat = { file: head, offsetBytes: efi.start * 512 };
  expect(await listFat(fat, testTask(shared))).toEqual(['/EFI/BOOT/BOOTX64.EFI']);
  const file = await open(head, 'r');
  const mbr = Buffer.alloc(440);
  await file.read(mbr, 0, 440, 0);
  await file.close();
  expect(Number(mbr.readBigUInt64LE(0x5c))).toBe(biosBoot.start);
});

test('the media check agrees with isomd5sum in every byte, and with the installer', async () => {
  const theirs = join(shared, 'theirs.iso');
  await copyFile(iso, theirs);
  await run('implantisomd5', ['--force', '--supported-iso', theirs]);
  expect(await sha256File(theirs)).toBe(await sha256File(iso));
  await run('checkisomd5', [iso]);
  expect(await installerSums(iso)).toMatch(/^([0-9a-f]{32}) \1$/);
});

test('the media check finds a changed byte', async () => {
  const damaged = join(shared, 'damaged.iso');
  await copyFile(iso, damaged);
  const file = await open(damaged, 'r+');
  await file.write(Buffer.from('x'), 0, 1, 1_000_000);
  await file.close();
  expect((await run('checkisomd5', [damaged], { okExitCodes: [0, 1] })).exitCode).toBe(1);
  expect(await installerSums(damaged)).not.toMatch(/^([0-9a-f]{32}) \1$/);
});

async function installerSums(file: string): Promise<string> {
  const code = `. '${templatePath('iso/installer/medium.sh')}'; medium_sums "$0"`;
  return (await run('dash', ['-c', code, file])).stdout.trim();
}

test('I10 the same commit and time give the same ISO, byte for byte, in another folder', async () => {
  const folder = temporaryFolder();
  const again = join(folder, 'again.iso');
  await buildIso(await imageRequest(folder, source), OPTIONS, again, testTask(folder));
  expect(await sha256File(again)).toBe(await sha256File(iso));
});

test('a tree with signed EFI loaders gets shim and its GRUB on the medium, and its own EFI folder on the disk', async () => {
  const folder = temporaryFolder();
  const { tree } = await syntheticCommit(folder);
  await addBlscfgGrub(tree);
  const task = testTask(folder);
  const built = join(folder, 'signed.iso');
  await buildIso(await imageRequest(folder, await commitFolder(folder, tree)), OPTIONS, built, task);
  const efi = join(folder, 'efi.img');
  await extractFromIso(built, '/boot/grub/efi.img', efi, task);
  expect((await listFat({ file: efi, offsetBytes: 0 }, task)).sort()).toEqual([
    '/EFI/BOOT/BOOTX64.EFI',
    '/EFI/BOOT/grub.cfg',
    '/EFI/BOOT/grubx64.efi',
  ]);
  const installer = join(await unpackedLive(built, folder), 'usr/lib/atomic-install');
  // The installer puts the boot file system's id in its place, wherever that lies in the head.
  const show = `. "$0/settings"; grep -abo "$boot_uuid_placeholder" "$0/disk-head.img" | wc -l; echo "$ostree_backend $grub_dir"`;
  expect((await run('dash', ['-c', show, installer])).stdout).toBe('1\nnone grub2\n');
});

test('a tree without a kernel is refused', async () => {
  const folder = temporaryFolder();
  const { tree } = await syntheticCommit(folder);
  await run('rm', [join(tree, 'usr/lib/modules/6.1.0/initramfs.img')]);
  const building = buildIso(
    await imageRequest(folder, await commitFolder(folder, tree)),
    OPTIONS,
    join(folder, 'x'),
    testTask(folder),
  );
  await expect(building).rejects.toMatchObject({ code: 'image', message: expect.stringContaining('0 kernels') });
  expect(await filesOfIso(iso, testTask(folder))).toContain('/boot/vmlinuz');
});

test('I9 a tree that carries traces of this machine is refused, naming them', async () => {
  const folder = temporaryFolder();
  const extra = { 'usr/share/built-where': `${folder}/archive-repo\n`, 'usr/etc/ssh/ssh_host_rsa_key': 'key\n' };
  const building = buildIso(
    await imageRequest(folder, await syntheticCommit(folder, extra)),
    OPTIONS,
    join(folder, 'x'),
    testTask(folder),
  );
  await expect(building).rejects.toMatchObject({
    code: 'image',
    message: expect.stringMatching(/ssh_host_rsa_key, which each host.*\n.*archive-repo" in usr\/share\/built-where/),
  });
});
