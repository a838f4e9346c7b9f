import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../errors.ts';
import { checkOut } from '../../tools/ostree.ts';
import type { Task } from '../../tools/task.ts';
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
  await writeFile(join(root, 'etc/fstab'), '');
  await writeFile(join(root, 'etc/machine-id'), '');
  return findKernel(root);
}

/** Moves kernel and initramfs out of the tree into a folder of the medium, where GRUB reads them. */
export async function takeKernel(root: string, kernel: LiveKernel, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const name of KERNEL_FILES) await rename(join(root, kernel.modulesDir, name), join(target, name));
}

const KERNEL_FILES = ['vmlinuz', 'initramfs.img'] as const;

async function findKernel(root: string): Promise<LiveKernel> {
  const found: string[] = [];
  for (const version of await readdir(join(root, 'usr/lib/modules')).catch(() => [] as string[])) {
    const files = await readdir(join(root, 'usr/lib/modules', version)).catch(() => [] as string[]);
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
