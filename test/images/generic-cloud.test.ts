import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, open, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import { derivedUuid } from '../../src/images/disk/disk-ids.ts';
import { readGpt } from '../../src/images/disk/gpt.ts';
import type { ImageFile } from '../../src/images/image.ts';
import { type Ext4InFile, listFolder, readText } from '../../src/programs/debugfs.ts';
import { run, start } from '../../src/programs/exec.ts';
import { listFat } from '../../src/programs/mtools.ts';
import { convertImage, imageInfo } from '../../src/programs/qemu-img.ts';
import { everyCase } from '../support/every-case.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import {
  ABSENT,
  addBlscfgGrub,
  buildAlone,
  commitFolder,
  imageRequest,
  SMALL_DISK,
  syntheticCommit,
  TIMESTAMP,
} from './synthetic-tree.ts';

const shared = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
afterAll(() => rmSync(shared, { recursive: true, force: true }));

let source: { readonly repo: string; readonly commit: string };
let image: ImageFile;
let raw: string;
beforeAll(async () => {
  source = await syntheticCommit(shared);
  image = await buildAlone(await imageRequest(shared, source), testTask(shared));
  raw = await asRaw(image.path);
});

async function asRaw(path: string): Promise<string> {
  const target = `${path}.raw`;
  await convertImage({ source: path, sourceFormat: 'qcow2', target, targetFormat: 'raw' }, testTask(shared));
  return target;
}

/** Where a partition lies, by its name. */
async function partition(disk: string, name: string): Promise<Ext4InFile> {
  const file = await open(disk, 'r');
  const { partitions } = await readGpt(file);
  await file.close();
  const found = partitions.find((entry) => entry.name === name);
  if (!found) throw new Error(`no partition ${name}`);
  return { file: disk, offsetBytes: found.start * 512 };
}

test('the finished file is a compressed qcow2 with the right size and checksum, and nothing else is left', async () => {
  const task = testTask(shared);
  expect(await imageInfo(image.path, task)).toEqual({ format: 'qcow2', virtualSize: SMALL_DISK });
  expect(image.sha256).toBe(await sha256File(image.path));
  expect((await readdir(join(shared, 'images'))).filter((name) => !name.endsWith('.raw'))).toEqual([
    'synthetic-20260921_01-GenericCloud.qcow2',
  ]);
  // The shared sysroot is for the other images; the caller removes it.
  expect(await readdir(join(shared, 'scratch'))).toEqual(['sysroot']);
});

test('partitions and file systems are sound for sfdisk, e2fsck and mtools', async () => {
  const { partitiontable } = JSON.parse((await run('sfdisk', ['--json', raw])).stdout);
  expect(partitiontable.partitions.map(({ name }: { name: string }) => name)).toEqual([
    'bios-boot',
    'efi',
    'boot',
    'root',
  ]);
  for (const name of ['boot', 'root']) {
    const { file, offsetBytes } = await partition(raw, name);
    // 0: clean. With -n nothing is changed, so a repair would show as an error.
    await run('e2fsck', ['-f', '-n', `${file}?offset=${offsetBytes}`]);
  }
  expect(await listFat(await partition(raw, 'efi'), testTask(shared))).toEqual(['/EFI/BOOT/BOOTX64.EFI']);
});

test('the boot partition has the static configuration and a menu with both consoles', async () => {
  const task = testTask(shared);
  const boot = await partition(raw, 'boot');
  const seed = { commit: source.commit, timestamp: TIMESTAMP };
  const bootUuid = derivedUuid(seed, 'file system boot');
  expect(await readText(boot, '/grub/grub.cfg', task)).toContain(`--set=root ${bootUuid}\nsource /loader/grub.cfg`);
  const menu = await readText(boot, '/loader.1/grub.cfg', task);
  expect(menu).toMatch(/^menuentry 'Synthetic Host 1 .*' --id 'ostree-1-synthetic' \{$/m);
  expect(menu).toContain(
    `root=UUID=${derivedUuid(seed, 'file system root')} rw console=tty0 console=ttyS0,115200n8 ostree=/`,
  );
  expect((await listFolder(boot, '/', task))?.find(({ name }) => name === 'loader')).toMatchObject({ type: 'link' });
});

test("the deployment mounts /boot and follows the remote and ref, by the tree's own configuration", async () => {
  const task = testTask(shared);
  const root = await partition(raw, 'root');
  const deployments = '/ostree/deploy/synthetic/deploy';
  const bootUuid = derivedUuid({ commit: source.commit, timestamp: TIMESTAMP }, 'file system boot');
  const fstab = await readText(root, `${deployments}/${source.commit}.0/etc/fstab`, task);
  expect(fstab).toBe(`UUID=${bootUuid} /boot ext4 defaults,x-systemd.device-timeout=0 0 2\n`);
  const origin = await readText(root, `${deployments}/${source.commit}.0.origin`, task);
  expect(origin).toContain('refspec=synthetic:synthetic/1/x86_64');
  expect(await readText(root, '/ostree/repo/config', task)).not.toContain('remote');
  expect(await readText(root, '/ostree/repo/refs/remotes/synthetic/synthetic/1/x86_64', task)).toBe(
    `${source.commit}\n`,
  );
});

test('I10 the same commit and time give the same image, byte for byte, in another folder', async () => {
  const folder = temporaryFolder();
  // A repository that got a part of the tree with an earlier build.
  const find = ['-type', 'f', '-not', '-name', '*.filez', '-exec', 'touch', '-d', '2001-01-01', '{}', '+'];
  await run('find', [join(source.repo, 'objects'), ...find]);
  const again = await buildAlone(await imageRequest(folder, source), testTask(folder));
  expect(again.sha256).toBe(image.sha256);
});

test.runIf(everyCase)('I4 after a kill at any stage the next call cleans up and ends in the same image', async () => {
  const folder = temporaryFolder();
  const request = await imageRequest(folder, source);
  await mkdir(request.outputDir, { recursive: true });
  const child = join(folder, 'build.mts');
  await writeFile(
    child,
    `import { makeBase } from '${join(import.meta.dirname, '../../src/images/image-base.ts')}';
import { buildImage } from '${join(import.meta.dirname, '../../src/images/build-image.ts')}';
const task = { signal: new AbortController().signal, logFile: '${folder}/child.log', say: console.log, progress() {} };
const request = ${JSON.stringify(request)};
await buildImage(request, () => makeBase(request, task), task);
`,
  );
  for (const stage of ['Deploying', 'Writing', 'Compressing']) {
    let kill = (): void => undefined;
    const process_ = await start(join(import.meta.dirname, '../../node_modules/.bin/tsx'), [child], {
      onLine: (line) => {
        if (line.startsWith(stage)) kill();
      },
    });
    kill = () => process.kill(-process_.pid, 'SIGKILL');
    expect(await process_.exited, stage).toBeNull();
    expect(await readdir(request.outputDir).then((names) => names.includes(request.template['file-name'])), stage).toBe(
      false,
    );
  }
  const finished = await buildAlone(request, testTask(folder));
  expect(finished.sha256).toBe(image.sha256);
  expect(await readdir(request.outputDir)).toEqual([request.template['file-name']]);
});

test('without a remote in the tree the public URL is written to the sysroot, saying that nothing checks signatures', async () => {
  const folder = temporaryFolder();
  const bare = await syntheticCommit(folder, { 'usr/etc/ostree/remotes.d/synthetic.conf': ABSENT });
  const task = testTask(folder);
  const built = await buildAlone(await imageRequest(folder, bare), task);
  const config = await readText(await partition(await asRaw(built.path), 'root'), '/ostree/repo/config', task);
  expect(config).toContain('[remote "synthetic"]\nurl=https://atomic.example.org/repo\ngpg-verify=false\n');
  expect(task.lines.join('\n')).toContain('without signature checks');
});

test('a tree whose hosts could not write a boot menu is refused before work starts', async () => {
  const folder = temporaryFolder();
  const bare = await syntheticCommit(folder, { 'usr/sbin/grub-mkconfig': ABSENT });
  const building = buildAlone(await imageRequest(folder, bare), testTask(folder));
  await expect(building).rejects.toMatchObject({ code: 'image', message: expect.stringContaining('grub-mkconfig') });
});

test('a tree with GRUB that reads boot loader entries itself gets blscfg and its own EFI folder', async () => {
  const folder = temporaryFolder();
  const { tree } = await syntheticCommit(folder, { 'usr/sbin/grub-mkconfig': ABSENT });
  await addBlscfgGrub(tree);
  const task = testTask(folder);
  const built = await buildAlone(await imageRequest(folder, await commitFolder(folder, tree)), task);
  const disk = await asRaw(built.path);
  expect(await readText(await partition(disk, 'boot'), '/grub2/grub.cfg', task)).toMatch(/\nblscfg\n$/);
  expect(await readText(await partition(disk, 'boot'), '/loader.1/entries/ostree-1-synthetic.conf', task)).toContain(
    'linux /ostree/',
  );
  expect(await readText(await partition(disk, 'root'), '/ostree/repo/config', task)).toContain('bootloader=none');
  expect((await listFat(await partition(disk, 'efi'), task)).sort()).toEqual([
    '/EFI/BOOT/BOOTX64.EFI',
    '/EFI/centos/grub.cfg',
    '/EFI/centos/grubx64.efi',
  ]);
  expect(task.lines).toContain("Boot loader: grub-blscfg (BIOS from the tree, UEFI the tree's own EFI folder)");
});

test('a disk that is too small is refused', async () => {
  const folder = temporaryFolder();
  const request = await imageRequest(folder, source);
  const { template } = request;
  const tiny = { ...request, template: { ...template, disk: { ...template.disk, size: '1 GiB' } } };
  await expect(buildAlone(tiny, testTask(folder))).rejects.toMatchObject({
    code: 'image',
    hint: expect.stringContaining('at least 1639 MiB'),
  });
});

test('the core image is where the first sector looks for it', async () => {
  const disk = Buffer.alloc(3 * 1024 * 1024);
  const file = await open(raw, 'r');
  await file.read(disk, 0, disk.length, 0);
  await file.close();
  const coreSector = Number(disk.readBigUInt64LE(0x5c));
  expect(coreSector).toBe(2048);
  expect(Number(disk.readBigUInt64LE(coreSector * 512 + 0x1f4))).toBe(coreSector + 1);
  expect(disk.readUInt16LE(0x66)).toBe(0x9090);
});
