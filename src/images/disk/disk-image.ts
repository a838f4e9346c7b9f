import { open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { kindOf } from '../../base/tree-files.ts';
import { type FatInFile, makeFat } from '../../programs/mtools.ts';
import { removeTree } from '../../programs/rm.ts';
import type { ImageRequest } from '../image.ts';
import type { Base } from '../image-base.ts';
import { type FileTree, folderTree } from '../scan/scan-trees.ts';
import { sizeBytes } from '../template/image-template.ts';
import { makeVariant } from '../variant.ts';
import { derivedUuid, derivedVolumeId, type IdSeed } from './disk-ids.ts';
import { type DiskLayout, diskLayout } from './disk-layout.ts';
import { labelTrees } from './disk-selinux.ts';
import { makeFileSystem } from './filesystem.ts';
import { writeGpt } from './gpt.ts';
import { type GrubInstall, installBiosGrub, installEfiGrub } from './grub-install.ts';

/** A raw disk, and its root file system where it cannot be read without mounting it. */
export interface RawDisk {
  readonly path: string;
  /** Present for file systems other than ext4: what was copied in. */
  readonly rootTree?: FileTree;
}

/**
 * Makes the whole disk of an image as a sparse file in `folder`, without a virtual machine and, with ext4, without
 * mounting anything. Equal commits, templates and time stamps give equal bytes (not with XFS). Needs root, because the
 * tree's owners and attributes are kept.
 * @throws NightlyError `image`, `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function makeRawDisk(base: Base, request: ImageRequest, folder: string, task: Task): Promise<RawDisk> {
  const { disk } = request.template;
  const sizes = { disk: sizeBytes(disk.size), efi: sizeBytes(disk.efi), boot: sizeBytes(disk.boot) };
  const { seed, loader, bootUuid, rootUuid } = base;
  const layout = diskLayout(sizes, seed);
  await checkRootTools(base, disk['root-filesystem']);
  const variant = await makeVariant(base, request, folder, task);
  task.say(`Writing the disk (${disk.size}, sparse, ${disk['root-filesystem']})`);
  const raw = join(folder, 'disk.raw');
  await open(raw, 'w').then((file) => file.close());
  await truncate(raw, sizes.disk);
  const into = { file: raw, seed, scratchDir: folder };
  const { root, boot, deployment } = variant;
  const type = disk['root-filesystem'];
  const stateroot = join(root, 'ostree/deploy', request.osName);
  await labelTrees({ ...variant, stateroot, rootFileSystem: type, scratchDir: folder }, task);
  await makeFileSystem({ ...into, type: 'ext4', at: layout.boot, label: 'boot', uuid: bootUuid, root: boot }, task);
  await makeFileSystem({ ...into, type, at: layout.root, label: 'root', uuid: rootUuid, root }, task);
  const install = { loader, deployment, bootUuid, scratchDir: folder, timestamp: request.timestamp };
  await writeBootLoader(install, seed, raw, layout, task);
  await removeTree(boot, task);
  if (type !== 'ext4') return { path: raw, rootTree: folderTree(root) };
  await removeTree(root, task);
  return { path: raw };
}

/** Hosts grow and check their own file system; cloud-init fails where it cannot. @throws NightlyError `image` */
async function checkRootTools({ sysroot, deployment }: Base, type: 'ext4' | 'xfs'): Promise<void> {
  if (type === 'ext4' || (await kindOf(followInRoot(join(sysroot, deployment), '/usr/sbin/xfs_growfs')))) return;
  throw new NightlyError('image', `The tree has no /usr/sbin/xfs_growfs, which hosts with an XFS root need.`, {
    hint: 'Add xfsprogs to the treefile\'s "packages", or set "root-filesystem: ext4" in image.yaml.',
  });
}

async function writeBootLoader(
  install: GrubInstall,
  seed: IdSeed,
  raw: string,
  layout: DiskLayout,
  task: Task,
): Promise<void> {
  const { offsetBytes, sizeBytes: size } = layout.efi;
  const fat: FatInFile = { file: raw, offsetBytes };
  const volumeId = derivedVolumeId(seed, 'file system efi');
  await makeFat({ ...fat, sizeBytes: size, label: 'EFI', volumeId }, task);
  await installEfiGrub(install, fat, task);
  const disk = await open(raw, 'r+');
  try {
    const bootCode = await installBiosGrub(install, disk, layout.biosBoot, task);
    const partitions = [layout.biosBoot, layout.efi, layout.boot, layout.root];
    await writeGpt(disk, layout.diskSectors, { diskGuid: derivedUuid(seed, 'disk'), partitions }, bootCode);
  } finally {
    await disk.close();
  }
}
