import { open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { makeFat } from '../../programs/mtools.ts';
import { derivedVolumeId, type IdSeed } from '../disk/disk-ids.ts';
import { type DiskSizes, diskLayout } from '../disk/disk-layout.ts';
import { type GrubInstall, installBiosGrub, installEfiGrub } from '../disk/grub-install.ts';

const MIB = 1024 * 1024;

/**
 * Writes what the installer copies to the start of a disk: `disk-head.img` with the boot loaders, in the places of a
 * cloud disk's BIOS boot and EFI partitions, and `partitions.sfdisk`, the script for sfdisk. The disk's and file
 * systems' own ids are made anew by each installation.
 *
 * The head is a sparse file; its first 440 bytes are the boot code, and the table itself is left to sfdisk.
 */
export async function writeDiskHead(
  install: GrubInstall,
  { seed, sizes }: { readonly seed: IdSeed; readonly sizes: DiskSizes },
  folder: string,
  task: Task,
): Promise<void> {
  const { biosBoot, efi, boot, root } = diskLayout(sizes, seed);
  const path = join(folder, 'disk-head.img');
  const head = await open(path, 'w+');
  try {
    await truncate(path, boot.offsetBytes);
    const fat = { file: path, offsetBytes: efi.offsetBytes };
    const volumeId = derivedVolumeId(seed, 'file system efi');
    await makeFat({ ...fat, sizeBytes: efi.sizeBytes, label: 'EFI', volumeId }, task);
    await installEfiGrub(install, fat, task);
    const bootCode = await installBiosGrub(install, head, biosBoot, task);
    await head.write(bootCode, 0, bootCode.length, 0);
  } finally {
    await head.close();
  }
  const lines = [biosBoot, efi, boot].map(
    ({ name, type, offsetBytes, sizeBytes }) =>
      `start=${offsetBytes / MIB}MiB, size=${sizeBytes / MIB}MiB, type=${type}, name=${name}`,
  );
  lines.push(`start=${root.offsetBytes / MIB}MiB, type=${root.type}, name=${root.name}`);
  await writeFile(join(folder, 'partitions.sfdisk'), `${['label: gpt', ...lines].join('\n')}\n`);
}
