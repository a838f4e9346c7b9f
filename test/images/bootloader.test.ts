import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chooseBootLoader } from '../../src/images/disk/bootloader.ts';
import { readGpt } from '../../src/images/disk/gpt.ts';
import { listFolder, readText } from '../../src/programs/debugfs.ts';
import { run } from '../../src/programs/exec.ts';
import { convertImage } from '../../src/programs/qemu-img.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { ABSENT, buildAlone, imageRequest, syntheticCommit } from './synthetic-tree.ts';

/** What CentOS 7's packages grub2-tools and ostree-grub2 bring. */
const EL7 = {
  'usr/sbin/grub-mkconfig': ABSENT,
  'usr/sbin/grub2-mkconfig': '#!/bin/sh\n',
  'usr/etc/grub.d/15_ostree': '#!/bin/sh\n',
};

test('a tree with grub2-mkconfig boots from /boot/grub2, where its ostree looks for the configuration', async () => {
  const folder = temporaryFolder();
  const task = testTask(folder);
  const image = await buildAlone(await imageRequest(folder, await syntheticCommit(folder, EL7)), task);
  const raw = join(folder, 'raw');
  await convertImage({ source: image.path, sourceFormat: 'qcow2', target: raw, targetFormat: 'raw' }, task);
  const file = await open(raw, 'r');
  const { partitions } = await readGpt(file);
  await file.close();
  const boot = { file: raw, offsetBytes: (partitions.find(({ name }) => name === 'boot')?.start ?? 0) * 512 };
  expect(await listFolder(boot, '/grub', task)).toBeUndefined();
  const config = await readText(boot, '/grub2/grub.cfg', task);
  expect(config).toContain('\nsource /loader/grub.cfg\n');
  // The menu of the first deployment is there already: ostree took its grub2 backend.
  expect(await readText(boot, '/loader.1/grub.cfg', task)).toContain("menuentry 'Synthetic Host 1 ");
  await writeFile(join(folder, 'grub.cfg'), config ?? '');
  await run('grub-script-check', [join(folder, 'grub.cfg')]);
});

test('the core image has what the menus of grub2-mkconfig load', async () => {
  const folder = temporaryFolder();
  const { repo, commit } = await syntheticCommit(folder, EL7);
  const loader = await chooseBootLoader(repo, commit, testTask(folder));
  expect(loader).toMatchObject({ name: 'grub-menu', configDir: 'grub2', ostreeBackend: undefined });
  expect(loader.extraModules).toContain('gzio');
});

test('grub2-mkconfig that does not read boot loader entries is refused, with the package that makes it', async () => {
  const folder = temporaryFolder();
  const { repo, commit } = await syntheticCommit(folder, { ...EL7, 'usr/etc/grub.d/15_ostree': ABSENT });
  await expect(chooseBootLoader(repo, commit, testTask(folder))).rejects.toMatchObject({
    code: 'image',
    message: expect.stringContaining('15_ostree'),
    hint: expect.stringContaining('ostree-grub2'),
  });
});

test("Debian's name of the program goes with Debian's folder", async () => {
  const folder = temporaryFolder();
  const { repo, commit } = await syntheticCommit(folder);
  const loader = await chooseBootLoader(repo, commit, testTask(folder));
  expect(loader).toMatchObject({ name: 'grub-menu', configDir: 'grub' });
});
