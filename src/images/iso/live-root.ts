import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { entryInRoot, followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { kindOf, namesIn, replaceInTree, requireFile } from '../../base/tree-files.ts';
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
  const [etc, top] = [entryInRoot(root, 'usr/etc'), entryInRoot(root, 'etc')];
  const isFree =
    (await kindOf(top)) === undefined || ((await kindOf(top)) === 'dir' && (await namesIn(top)).length === 0);
  if ((await kindOf(etc)) !== 'dir' || !isFree) {
    throw new NightlyError(
      'image',
      'The tree does not have its /etc as the folder /usr/etc alone: no host could deploy it.',
      {
        hint: '"ostree ls REF / /usr" shows what the commit has.',
      },
    );
  }
  await rename(etc, top);
  for (const name of ['fstab', 'machine-id']) await replaceInTree(entryInRoot(root, `etc/${name}`), '');
  return findKernel(root);
}

/** Moves kernel and initramfs out of the tree into a folder of the medium, where GRUB reads them. */
export async function takeKernel(root: string, kernel: LiveKernel, target: string): Promise<void> {
  await makeFolder(target);
  const folder = followInRoot(root, kernel.modulesDir);
  for (const name of KERNEL_FILES) {
    await requireFile(join(folder, name));
    await rename(join(folder, name), join(target, name));
  }
}

const KERNEL_FILES = ['vmlinuz', 'initramfs.img'] as const;

async function findKernel(root: string): Promise<LiveKernel> {
  const found: string[] = [];
  const modules = followInRoot(root, '/usr/lib/modules');
  for (const version of await namesIn(modules)) {
    const folder = followInRoot(root, `/usr/lib/modules/${version}`);
    const kinds = await Promise.all(KERNEL_FILES.map((name) => kindOf(join(folder, name))));
    if (kinds.every((kind) => kind === 'file')) found.push(`usr/lib/modules/${version}`);
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
