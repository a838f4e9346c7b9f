import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { templatePath } from '../../src/images/template/render-template.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

const program = templatePath('lab/ostree-grub-generator');

async function entry(folder: string, name: string, version: number, title: string): Promise<void> {
  await mkdir(join(folder, 'entries'), { recursive: true });
  const lines = [
    `title ${title}`,
    `version ${version}`,
    `options root=UUID=x n=${version}`,
    `linux /k-${version}`,
    `initrd /i-${version}`,
  ];
  await writeFile(join(folder, 'entries', name), `${lines.join('\n')}\n`);
}

test('the entry with the highest version comes first, by number and not by letters', async () => {
  const folder = temporaryFolder();
  await entry(folder, 'ostree-2-lab.conf', 2, 'Old');
  await entry(folder, 'ostree-10-lab.conf', 10, 'New');
  await run(program, ['-o', join(folder, 'grub.cfg')]);
  const menu = await readFile(join(folder, 'grub.cfg'), 'utf8');
  expect(menu.split('\n').slice(1)).toEqual([
    "menuentry 'New' --id 'ostree-10-lab' {",
    '  linux /k-10 root=UUID=x n=10',
    '  initrd /i-10',
    '}',
    "menuentry 'Old' --id 'ostree-2-lab' {",
    '  linux /k-2 root=UUID=x n=2',
    '  initrd /i-2',
    '}',
    '',
  ]);
  expect((await readdir(folder)).sort()).toEqual(['entries', 'grub.cfg']);
});

test('a quote in a title cannot end the menu entry', async () => {
  const folder = temporaryFolder();
  await entry(folder, 'ostree-1-lab.conf', 1, "It's $(mine)");
  await run(program, [`--output=${join(folder, 'grub.cfg')}`]);
  expect(await readFile(join(folder, 'grub.cfg'), 'utf8')).toContain("menuentry 'Its $(mine)' --id");
});

test('without entries, and with arguments it does not know, it says so and writes nothing', async () => {
  const folder = temporaryFolder();
  await expect(run(program, ['-o', join(folder, 'grub.cfg')])).rejects.toThrow('there are no boot loader entries');
  await expect(run(program, ['--version'])).rejects.toThrow('unknown argument --version');
  await expect(run(program, [])).rejects.toThrow('-o FILE is missing');
  expect(await readdir(folder)).toEqual([]);
});
