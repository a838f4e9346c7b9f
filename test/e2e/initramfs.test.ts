import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import { makeInitramfs } from '../../src/engines/dnf/initramfs.ts';
import { createPhases } from '../../src/engines/phases.ts';
import { run } from '../../src/programs/exec.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { testLab } from '../support/test-lab.ts';
import { testTask } from '../support/tmp.ts';

let dir: string;
let root: string;
let kver: string;
let task: ReturnType<typeof testTask>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  task = testTask(dir);
  root = join(dir, 'root');
  const lab = await testLab(join(dir, 'lab'), 'http://127.0.0.1:1', task);
  const { values } = await readTreefile(lab.treefile, { basearch: 'x86_64' });
  mkdirSync(root);
  mkdirSync(join(dir, 'scratch'));
  const conf = join(dir, 'dnf.conf');
  writeFileSync(conf, `[main]\nreposdir=${dirname(lab.treefile)}\ncachedir=${dir}/dnf\ntsflags=nodocs\ngpgcheck=0\n`);
  const options = ['-c', conf, '--noplugins', '--nogpgcheck', '--releasever=12', `--installroot=${root}`, '-y'];
  await run('dnf', [...options, 'install', ...(values.packages ?? [])], { task });
  [kver = ''] = await readdir(join(root, 'usr/lib/modules'));
  await run('depmod', ['-b', root, kver]);
  await run('ldconfig', ['-r', root]);
  await rename(join(root, 'etc'), join(root, 'usr/etc'));
  mkdirSync(join(root, 'etc'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function night(cache = 'cache'): Promise<{ readonly how: 'built' | 'reused'; readonly image: string }> {
  const args = ['--no-hostonly', '--reproducible', '--add', 'ostree'];
  const request = { root, kver, args, cacheDir: join(dir, cache), scratchDir: join(dir, 'scratch') };
  const how = await makeInitramfs(request, task, createPhases());
  return { how, image: await sha256File(join(root, 'usr/lib/modules', kver, 'initramfs.img')) };
}

async function fresh(): Promise<string> {
  rmSync(join(dir, 'none'), { recursive: true, force: true });
  return (await night('none')).image;
}

it('uses the image of the real dracut again after 200 changes of what it did not ask for', async () => {
  const { how, image } = await night();
  expect(how).toBe('built');
  const places = [
    'usr/bin',
    'usr/share/doc/x',
    'usr/share/x',
    'usr/lib/systemd/user',
    'usr/lib/python3/x',
    'usr/lib/x',
    'usr/etc/x',
    'var/lib/x',
  ];
  for (let index = 0; index < 200; index += 1) {
    const path = join(root, places[index % places.length] ?? '', `change-${index % 150}`);
    mkdirSync(dirname(path), { recursive: true });
    if (index >= 150) rmSync(path, { recursive: true, force: true });
    else if (index % 3 === 0) writeFileSync(path, `${index}\n`, { mode: index % 2 ? 0o755 : 0o600 });
    else if (index % 3 === 1) symlinkSync(`../change-${index - 1}`, path);
    else mkdirSync(path);
    expect([index, await night(), task.lines.filter((line) => line.startsWith('dracut has to run'))]).toEqual([
      index,
      { how: 'reused', image },
      [],
    ]);
  }
  expect(await fresh()).toBe(image);
});

it.each([
  [
    'a configuration file in a folder it lists',
    () => writeFileSync(join(root, 'usr/etc/dracut.conf.d/x.conf'), 'compress="cat"\n'),
  ],
  [
    'a program it looked for in vain',
    () => {
      mkdirSync(join(root, 'usr/libexec/plymouth'), { recursive: true });
      writeFileSync(join(root, 'usr/libexec/plymouth/plymouth-populate-initrd'), '#!/bin/sh\n', { mode: 0o755 });
    },
  ],
  ['a unit it copies', () => appendFileSync(join(root, 'usr/lib/systemd/system/systemd-udevd.service'), '# changed\n')],
])('runs the real dracut again after a change of %s', async (_, change) => {
  expect((await night()).how).toBe('reused');
  change();
  const { how, image } = await night();
  expect(how).toBe('built');
  expect(image).toBe(await fresh());
});
