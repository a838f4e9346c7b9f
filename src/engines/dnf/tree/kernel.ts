import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import { sha256File } from '../../../base/files.ts';
import type { Task } from '../../../base/task.ts';
import { copyInTree, folderInTree, kindOf, namesIn, requireFile } from '../../../base/tree-files.ts';
import { run } from '../../../programs/exec.ts';
import { findProgram } from '../../../programs/find-program.ts';
import { besideTree } from '../namespace.ts';
import { at, entry } from './tree-paths.ts';

/**
 * Finds the tree's one kernel and puts it where OSTree looks: usr/lib/modules/KVER/vmlinuz. It may be there already, or in
 * /boot as older packages have it.
 * @returns its version, or undefined when the tree has none (a container).
 * @throws NightlyError `compose` when there are several.
 */
export async function placeKernel(root: string): Promise<string | undefined> {
  const modules = 'usr/lib/modules';
  for (const name of await namesIn(at(root, 'boot'))) {
    const kver = /^vmlinu[xz]-(.+)$/.exec(name)?.[1];
    if (kver === undefined || name.includes('rescue')) continue;
    const target = entry(root, modules, kver, 'vmlinuz');
    if (!(await kindOf(target))) await copyInTree(at(root, 'boot', name), target);
  }
  const found: string[] = [];
  for (const kver of await namesIn(at(root, modules)))
    if ((await kindOf(at(root, modules, kver, 'vmlinuz'))) === 'file') found.push(kver);
  if (found.length > 1) {
    throw new NightlyError(
      'compose',
      `The tree has ${found.length} kernels: ${found.join(', ')}. A commit boots one.`,
      {
        hint: 'Exclude the kernel packages that are not meant (exclude-packages).',
      },
    );
  }
  return found[0];
}

/** Writes modules.dep and its relatives, which packages' scripts may have written before the tree was changed. */
export async function indexModules(root: string, kver: string, task: Task): Promise<void> {
  const depmod = (await findProgram('depmod')) ?? 'depmod';
  // In a sandbox: what it writes may be links in the tree.
  const [command = '', ...args] = besideTree(root, [depmod, '--basedir', entry(root, 'usr'), '--all', kver], {
    timestamp: 0,
  });
  await run(command, args, { task });
}

/**
 * What is left in /boot (boot loader files of packages) goes to usr/lib/ostree-boot, where rpm-ostree keeps it; kernels and
 * initramfs files are dropped, they are under usr/lib/modules. With boot-location `new` they are in ostree-boot as well,
 * under names with their checksum.
 */
export async function moveBoot(root: string, kver: string | undefined, location: string): Promise<void> {
  const boot = at(root, 'boot');
  const target = at(root, 'usr/lib/ostree-boot');
  for (const name of await namesIn(boot)) {
    const dropped = /^(vmlinu[xz]-|initr(amfs|d)|System\.map-|config-|symvers-|loader$|\.vmlinuz)/.test(name);
    if (dropped) await rm(join(boot, name), { recursive: true });
    else {
      await folderInTree(target);
      await rm(join(target, name), { recursive: true, force: true });
      await rename(join(boot, name), join(target, name));
    }
  }
  if (location !== 'new' || kver === undefined) return;
  const from = (name: string) => at(root, 'usr/lib/modules', kver, name);
  await requireFile(from('vmlinuz'));
  const checksum = await sha256File(from('vmlinuz'));
  await copyInTree(from('vmlinuz'), join(target, `vmlinuz-${kver}-${checksum}`));
  if (await kindOf(from('initramfs.img'))) {
    await copyInTree(from('initramfs.img'), join(target, `initramfs-${kver}.img-${checksum}`));
  }
}
