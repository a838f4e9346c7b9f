import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readGpt } from '../../src/images/disk/gpt.ts';
import { run } from '../../src/programs/exec.ts';
import { convertImage } from '../../src/programs/qemu-img.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { buildAlone, imageRequest, syntheticCommit } from './synthetic-tree.ts';

const XFS = { disk: { size: '2 GiB', efi: '100 MiB', boot: '128 MiB', 'root-filesystem': 'xfs' } } as const;
const TOOL = { 'usr/sbin/xfs_growfs': '#!/bin/sh\n' };

test('an XFS root holds the sysroot, with the UUID that the kernel arguments name, and is sound for xfs_repair', async () => {
  const folder = temporaryFolder();
  const task = testTask(folder);
  const request = await imageRequest(folder, await syntheticCommit(folder, TOOL), 'generic-cloud', XFS);
  const image = await buildAlone(request, task);
  const raw = join(folder, 'disk.raw');
  await convertImage({ source: image.path, sourceFormat: 'qcow2', target: raw, targetFormat: 'raw' }, task);
  const file = await open(raw, 'r');
  const root = (await readGpt(file)).partitions.find(({ name }) => name === 'root');
  await file.close();
  const alone = join(folder, 'root.xfs');
  const place = ['bs=1M', 'conv=sparse', `skip=${Number(root?.start) / 2048}`, `count=${Number(root?.sectors) / 2048}`];
  await run('dd', [`if=${raw}`, `of=${alone}`, 'status=none', ...place]);
  await run('xfs_repair', ['-n', '-f', alone]);
  const uuid = (await run('blkid', ['-p', '-o', 'value', '-s', 'UUID', alone])).stdout.trim();
  const mount = `mount -o loop,ro,norecovery "$1" "$2"; cat "$2"/ostree/deploy/synthetic/deploy/*.0/etc/fstab; ls -i "$2"/ostree/repo/config`;
  const look = ['--mount', '--propagation', 'private', 'sh', '-ec', mount, 'sh', alone, temporaryFolder()];
  expect((await run('unshare', look)).stdout).toContain('/boot ext4 defaults,x-systemd.device-timeout=0 0 2');
  const strings = await run('sh', ['-c', `grep -aoc "root=UUID=${uuid}" "$1"`, 'sh', raw]);
  expect(Number(strings.stdout)).toBeGreaterThan(0);
  expect((await run('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'])).stdout).not.toContain(folder);
});

test('I9 an XFS root is scanned too', async () => {
  const folder = temporaryFolder();
  const source = await syntheticCommit(folder, { ...TOOL, 'usr/etc/ssh/ssh_host_rsa_key': 'key' });
  const building = buildAlone(await imageRequest(folder, source, 'generic-cloud', XFS), testTask(folder));
  await expect(building).rejects.toMatchObject({ message: expect.stringContaining('an ssh host key: /ostree/deploy') });
});

test('a tree whose hosts could not grow an XFS root is refused', async () => {
  const folder = temporaryFolder();
  const source = await syntheticCommit(folder);
  const building = buildAlone(await imageRequest(folder, source, 'generic-cloud', XFS), testTask(folder));
  await expect(building).rejects.toMatchObject({ code: 'image', hint: expect.stringContaining('xfsprogs') });
});
