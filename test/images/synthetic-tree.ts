import { chmod, cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Task } from '../../src/base/task.ts';
import { buildImage } from '../../src/images/build-image.ts';
import type { ImageFile, ImageRequest } from '../../src/images/image.ts';
import { makeBase } from '../../src/images/image-base.ts';
import type { ImageTemplate } from '../../src/images/template/image-template.ts';
import { loadImageTemplate } from '../../src/images/template/load-template.ts';
import { run } from '../../src/programs/exec.ts';

export const REF = 'synthetic/1/x86_64';
export const TIMESTAMP = 1_790_000_000;

/**
 * Makes an archive repo with one commit of a tree that is no system, but has all that ostree and the image need: a
 * kernel and initramfs (text), os-release, /usr/etc, and a grub-mkconfig. `extra` adds or replaces files.
 */
export async function syntheticCommit(
  folder: string,
  extra: Readonly<Record<string, string>> = {},
): Promise<{ readonly repo: string; readonly commit: string; readonly tree: string }> {
  const tree = join(folder, 'tree');
  const files: Readonly<Record<string, string>> = {
    'usr/lib/modules/6.1.0/vmlinuz': 'kernel\n',
    'usr/lib/modules/6.1.0/initramfs.img': 'initramfs\n',
    'usr/lib/os-release': 'NAME=Synthetic\nPRETTY_NAME="Synthetic \'Host\' 1"\nID=synthetic\nVERSION_ID=1\n',
    'usr/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
    'usr/etc/fstab': '',
    'usr/etc/machine-id': '',
    'usr/etc/ostree/remotes.d/synthetic.conf': '[remote "synthetic"]\nurl=https://atomic.example.org/repo\n',
    'usr/sbin/grub-mkconfig': '#!/bin/sh\n',
    ...extra,
  };
  for (const [path, content] of Object.entries(files)) {
    if (content === ABSENT) continue;
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), content);
  }
  for (const name of ['boot', 'dev', 'proc', 'run', 'sys', 'sysroot', 'tmp', 'var']) {
    await mkdir(join(tree, name), { recursive: true });
  }
  await symlink('sysroot/ostree', join(tree, 'ostree'));
  await chmod(join(tree, 'usr/lib/os-release'), 0o640);
  return { ...(await commitFolder(folder, tree)), tree };
}

/** As a value of `extra`: leave the file out. */
export const ABSENT = '\0absent';

/** Commits a (changed) tree into the folder's archive repo. */
export async function commitFolder(
  folder: string,
  tree: string,
): Promise<{ readonly repo: string; readonly commit: string }> {
  const repo = join(folder, 'archive-repo');
  await run('ostree', ['init', `--repo=${repo}`, '--mode=archive']);
  const { stdout } = await run('ostree', [
    ...['commit', `--repo=${repo}`, `--branch=${REF}`, `--tree=dir=${tree}`, '--owner-uid=0', '--owner-gid=0'],
    ...['--add-metadata-string=version=20260921_01', `--timestamp=@${TIMESTAMP}`],
  ]);
  return { repo, commit: stdout.trim() };
}

/** Adds this machine's GRUB to a tree as if it were CentOS's: with a module called blscfg and a signed EFI folder. */
export async function addBlscfgGrub(tree: string): Promise<void> {
  const modules = join(tree, 'usr/lib/grub/i386-pc');
  await cp('/usr/lib/grub/i386-pc', modules, { recursive: true });
  await cp(join(modules, 'cat.mod'), join(modules, 'blscfg.mod'));
  await writeFile(join(modules, 'moddep.lst'), 'blscfg: extcmd normal\n', { flag: 'a' });
  const efi = join(tree, 'usr/lib/ostree-boot/efi/EFI');
  await mkdir(join(efi, 'BOOT'), { recursive: true });
  await mkdir(join(efi, 'centos'), { recursive: true });
  await writeFile(join(efi, 'BOOT/BOOTX64.EFI'), 'shim\n');
  await writeFile(join(efi, 'centos/grubx64.efi'), 'grub\n');
}

/** What templates are filled in with. */
export const VALUES = {
  product: 'synthetic',
  prefix: 'synthetic',
  version: '20260921_01',
  stream: 'nightly',
  arch: 'x86_64',
  ref: REF,
  osName: 'synthetic',
  remoteName: 'synthetic',
  remoteUrl: 'https://atomic.example.org/repo',
};

export interface Source {
  readonly repo: string;
  readonly commit: string;
}

/** A request for an image of a shipped type, on a disk small enough for quick tests. */
export async function imageRequest(
  folder: string,
  source: Source,
  type = 'generic-cloud',
  changes: Partial<ImageTemplate> = {},
): Promise<ImageRequest> {
  const template = await loadImageTemplate(type, undefined, VALUES);
  return {
    repo: source.repo,
    commit: source.commit,
    ref: REF,
    version: VALUES.version,
    osName: VALUES.osName,
    remote: { name: VALUES.remoteName, url: VALUES.remoteUrl },
    outputDir: join(folder, 'images'),
    scratchDir: join(folder, 'scratch'),
    timestamp: TIMESTAMP,
    values: VALUES,
    template: { ...template, disk: { ...template.disk, size: '2 GiB' }, ...changes },
  };
}

/** Builds it with a sysroot of its own. */
export function buildAlone(request: ImageRequest, task: Task): Promise<ImageFile> {
  return buildImage(request, () => makeBase(request, task), task);
}

/** Bytes of the partitions on disks that an installer makes in tests. */
export const ISO_SIZES = { efi: 100 * 1024 ** 2, boot: 1024 ** 3 };

/** Bytes of the test disks. */
export const SMALL_DISK = 2 * 1024 ** 3;
