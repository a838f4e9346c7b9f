import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cpioArchive } from '../../../src/images/iso/cpio.ts';
import { writeLiveInitramfs } from '../../../src/images/iso/installer-initramfs.ts';
import { moduleEntries } from '../../../src/images/iso/kernel-modules.ts';
import { mediumMenu } from '../../../src/images/iso/menu.ts';
import { volumeId } from '../../../src/images/iso/volume-id.ts';
import { run } from '../../../src/programs/exec.ts';
import { temporaryFolder } from '../../support/tmp.ts';

describe('volume id', () => {
  test('has the name and the version, in what ECMA-119 and udev allow', () => {
    expect(volumeId('centos-atomic-host', '20260921_01')).toBe('CENTOS-ATOMIC-HOST-20260921_01');
    expect(volumeId('Some name/of it', '1.2')).toBe('SOME_NAME_OF_IT-1_2');
  });

  test('is never longer than 32, and keeps the version whole', () => {
    const id = volumeId('x'.repeat(50), '20260921_01');
    expect(id).toHaveLength(32);
    expect(id.endsWith('-20260921_01')).toBe(true);
  });
});

describe('the initramfs part', () => {
  test('cpio unpacks what was archived', async () => {
    const folder = temporaryFolder();
    const archive = cpioArchive(
      [
        { path: 'a', mode: 0o755 },
        { path: 'a/odd', mode: 0o600, content: Buffer.from('12345') },
        { path: 'a/empty', mode: 0o644, content: Buffer.alloc(0) },
      ],
      1_790_000_000,
    );
    await run('cpio', ['-idm', '--quiet'], { cwd: folder, input: archive });
    expect(await readFile(join(folder, 'a/odd'), 'utf8')).toBe('12345');
    const { mode, mtime } = await stat(join(folder, 'a/odd'));
    expect(mode & 0o777).toBe(0o600);
    expect(mtime.getTime()).toBe(1_790_000_000_000);
    expect((await readdir(join(folder, 'a'))).sort()).toEqual(['empty', 'odd']);
  });

  const MODULES_DEP = [
    'kernel/fs/isofs/isofs.ko.xz: kernel/drivers/cdrom/cdrom.ko.xz',
    'kernel/drivers/cdrom/cdrom.ko.xz:',
    'kernel/drivers/usb/storage/usb-storage.ko.xz:',
    'kernel/drivers/net/e1000.ko.xz:',
  ];

  async function kernelTree(): Promise<string> {
    const root = temporaryFolder();
    const dir = join(root, 'usr/lib/modules/6.1.0');
    for (const line of MODULES_DEP) {
      const path = join(dir, line.split(':')[0] ?? '');
      await mkdir(join(path, '..'), { recursive: true });
      await writeFile(path, 'module');
    }
    await writeFile(join(dir, 'modules.dep'), MODULES_DEP.join('\n'));
    await writeFile(join(dir, 'modules.alias.bin'), 'index');
    await writeFile(join(dir, 'vmlinuz'), 'kernel');
    return root;
  }

  test('has the wanted modules with what they need, the index, and no others', async () => {
    const root = await kernelTree();
    const entries = await moduleEntries(root, 'usr/lib/modules/6.1.0', 'modules');
    const files = entries.filter(({ content }) => content !== undefined).map(({ path }) => path);
    expect(files).toEqual([
      'modules/modules.alias.bin',
      'modules/modules.dep',
      'modules/kernel/drivers/cdrom/cdrom.ko.xz',
      'modules/kernel/drivers/usb/storage/usb-storage.ko.xz',
      'modules/kernel/fs/isofs/isofs.ko.xz',
    ]);
  });

  test('has no folder that is a link in the initramfs it is unpacked over', async () => {
    const root = await kernelTree();
    const target = join(root, 'live.img');
    await writeLiveInitramfs({ root, kernel: { modulesDir: 'usr/lib/modules/6.1.0' }, timestamp: 1 }, target);
    const { stdout } = await run('sh', ['-c', `gzip -dc ${target} | cpio -tv --quiet`]);
    const folders = stdout.split('\n').filter((line) => line.startsWith('d'));
    expect(folders.every((line) => line.includes(' usr/lib/modules/6.1.0'))).toBe(true);
    expect(stdout).toContain(' usr/lib/dracut/hooks/mount/10-atomic-live.sh');
  });
});

test('the menu has the installer on the screen first, then with a check, then on the serial line', async () => {
  const kernelArguments = ['console=tty0', 'console=ttyS0,115200n8', 'quiet'];
  const menu = await mediumMenu({ title: "Somebody's Host 1", volumeId: 'V-1', kernelArguments, menuSeconds: 7 });
  expect(menu).toContain('set timeout=7\n');
  const lines = menu.split('\n').filter((line) => line.includes('linux '));
  expect(lines.map((line) => line.split(' ').filter((word) => /console|check/.test(word)))).toEqual([
    ['console=ttyS0,115200n8', 'console=tty0'],
    ['console=ttyS0,115200n8', 'console=tty0', 'atomic.install.check=yes'],
    ['console=tty0', 'console=ttyS0,115200n8'],
  ]);
  expect(menu).toContain("menuentry 'Install Somebodys Host 1' {");
  expect(menu).not.toContain('quiet');
});
