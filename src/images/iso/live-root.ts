import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { checkOut } from '../../programs/ostree.ts';
import type { ImageSource } from '../image.ts';

export interface LiveKernel {
  /** `usr/lib/modules/KVER`. */
  readonly modulesDir: string;
}

/**
 * Writes a commit's tree to a new folder and makes of it what boots without being deployed: `/usr/etc` becomes `/etc`,
 * nothing is mounted by fstab, and an empty machine-id asks for a passing one, without the questions of a first boot.
 * @throws NightlyError `image` when the tree has not exactly one kernel with an initramfs.
 */
export async function checkOutLiveRoot(request: ImageSource, root: string, task: Task): Promise<LiveKernel> {
  await checkOut({ repo: request.repo, commit: request.commit, folder: root }, task);
  await rename(join(root, 'usr/etc'), join(root, 'etc'));
  for (const name of ['fstab', 'machine-id']) {
    const path = join(root, 'etc', name);
    // A link would lead to a file of this host.
    await rm(path, { force: true });
    await writeFile(path, '');
  }
  return findKernel(root);
}

/** Moves kernel and initramfs out of the tree into a folder of the medium, where GRUB reads them. */
export async function takeKernel(root: string, kernel: LiveKernel, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const folder = followInRoot(root, kernel.modulesDir);
  for (const name of KERNEL_FILES) await rename(join(folder, name), join(target, name));
}

const KERNEL_FILES = ['vmlinuz', 'initramfs.img'] as const;

async function findKernel(root: string): Promise<LiveKernel> {
  const found: string[] = [];
  const modules = followInRoot(root, '/usr/lib/modules');
  for (const version of await readdir(modules).catch(() => [] as string[])) {
    const entries = await readdir(followInRoot(root, `/usr/lib/modules/${version}`), { withFileTypes: true }).catch(
      () => [],
    );
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    if (KERNEL_FILES.every((name) => files.includes(name))) found.push(`usr/lib/modules/${version}`);
  }
  const [modulesDir] = found;
  if (modulesDir !== undefined && found.length === 1) return { modulesDir };
  throw new NightlyError(
    'image',
    `The tree has ${found.length} kernels with an initramfs, not one: ${found.join(', ')}`,
    {
      hint: '"ostree ls -R REF /usr/lib/modules" shows what the commit has; the treefile names the kernel packages.',
    },
  );
}
