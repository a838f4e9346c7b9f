import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import { MINI_KVER, miniKernel } from '../../support/mini-recipes.ts';
import type { MiniFile, MiniRecipe } from '../../support/mini-rpm.ts';
import { composeMini, makePlace, ostree, type Place } from './support.ts';

let distro: MiniDistro;
let place: Place;

beforeAll(async () => {
  place = await makePlace();
  distro = await makeMiniDistro(join(place.dir, 'distro'));
  await distro.writeTreefile({ 'mutate-os-release': '1' });
  expect((await composeMini(distro, place)).initramfs).toBe('built');
});
afterAll(() => rmSync(place.dir, { recursive: true, force: true }));

/** The recipe's next release with one file's text changed, and no new names. */
function changed(name: string, path: string, text: string): MiniRecipe {
  const old = distro.recipe(name);
  const files = old.files.map(
    (file): MiniFile => (file.path === path ? { path, text, mode: file.mode ?? '0644' } : file),
  );
  return { ...old, release: String(Number(old.release) + 1), files };
}

it('uses last night’s initramfs again when only leaf packages changed, whatever the build id', async () => {
  await distro.publish(
    changed('app', '/usr/bin/app', '#!/bin/sh\necho newer\n'),
    changed('suid', '/usr/bin/suid', '#!/bin/sh\n:\n'),
  );
  const night = await composeMini(distro, place, { version: '20261122_01', timestamp: 1_795_080_000 });
  expect(night.initramfs).toBe('reused');
  expect(await ostree('cat', `--repo=${place.repo}`, night.commit, '/usr/bin/app')).toContain('newer');
});

it.each([
  ['a library it holds', () => changed('lib', '/usr/lib/libmini.so', 'library 1.1\n')],
  [
    'dracut itself',
    () => changed('dracut', '/usr/lib/dracut/modules.d/base', '/usr/bin/busybox\n/usr/lib/libmini.so\n'),
  ],
  [
    'a release file it reads',
    () => changed('mini-release', '/usr/lib/os-release', 'NAME="Mini 1"\nVERSION="1 b"\nID=mini\n'),
  ],
  [
    'a program whose presence it asks for',
    (): MiniRecipe => {
      const app = distro.recipe('app');
      return { ...app, release: '9', files: [...app.files, { path: '/usr/bin/plymouth', text: '', mode: '0755' }] };
    },
  ],
  [
    'a configuration file that was not there before',
    (): MiniRecipe => {
      const suid = distro.recipe('suid');
      return { ...suid, release: '9', files: [...suid.files, { path: '/etc/dracut.conf', text: 'compress=xz\n' }] };
    },
  ],
])('makes a new initramfs when %s changed, the same as from scratch', async (_, recipe) => {
  await distro.publish(recipe());
  const night = await composeMini(distro, place);
  expect(night.initramfs).toBe('built');
  rmSync(join(place.dir, 'cache/initramfs'), { recursive: true });
  expect((await composeMini(distro, place)).contentChecksum).toBe(night.contentChecksum);
});

it('makes a new initramfs for a new kernel and for other arguments', async () => {
  const path = `/usr/lib/modules/${MINI_KVER}/initramfs.img`;
  const before = await composeMini(distro, place);
  await ostree('cat', `--repo=${place.repo}`, before.commit, path);
  await distro.writeTreefile({ 'mutate-os-release': '1', 'initramfs-args': ['--no-hostonly', '--verbose'] });
  expect((await composeMini(distro, place)).initramfs).toBe('built');
  await distro.publish(miniKernel('6.0.1'));
  const night = await composeMini(distro, place);
  expect([night.initramfs, night.kernel]).toEqual(['built', '6.0.1-1']);
});

it('I13: takes no link for the initramfs, which would lead to a file of the host', async () => {
  const script = '#!/bin/sh\nfor last; do :; done\nln -s /etc/hostname "$last"\n';
  await distro.publish(changed('dracut', '/usr/bin/dracut', script));
  await expect(composeMini(distro, place)).rejects.toMatchObject({
    code: 'compose',
    message: expect.stringContaining('initramfs.img is a symbolic link'),
  });
});
