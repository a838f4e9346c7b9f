import { type FileHandle, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { makeGrubImage } from '../../programs/grub.ts';
import { copyIntoFat, type FatInFile, makeFatFolders } from '../../programs/mtools.ts';
import { renderTemplate } from '../template/render-template.ts';
import { type BootLoader, type GrubFormat, grubModulesDir } from './bootloader.ts';
import type { Placed } from './disk-layout.ts';

/** What must be in the core image to reach and read the static grub.cfg and boot a kernel: nothing is loaded later. */
const COMMON_MODULES =
  'part_gpt part_msdos ext2 search search_fs_uuid search_label normal configfile linux serial terminal test echo ls cat halt reboot sleep';
const FORMAT_MODULES: Readonly<Record<GrubFormat, string>> = { 'i386-pc': 'biosdisk', 'x86_64-efi': 'fat all_video' };

export interface GrubInstall {
  readonly loader: BootLoader;
  /** The deployment's root folder, for trees that carry GRUB. */
  readonly deployment: string;
  readonly bootUuid: string;
  /**
   * Where GRUB finds its configuration, like `(,gpt3)/grub`: a partition of the disk it was started from. Without it,
   * GRUB looks for the file system `bootUuid`.
   */
  readonly prefix?: string;
  readonly scratchDir: string;
  /** Seconds since the epoch, for the files on the EFI partition. */
  readonly timestamp: number;
}

/**
 * Puts GRUB's core image into the BIOS boot partition of a raw disk, without grub-install, which wants mounted
 * devices. Offsets from GRUB's source (include/grub/i386/pc/boot.h, grub-core/boot/i386/pc/diskboot.S).
 * @returns the code for the MBR's first 440 bytes.
 */
export async function installBiosGrub(
  install: GrubInstall,
  raw: FileHandle,
  partition: Placed,
  task: Task,
): Promise<Uint8Array> {
  const corePath = await coreImage(install, 'i386-pc', task);
  const core = await readFile(corePath);
  if (core.length > partition.sizeBytes) {
    throw new NightlyError('image', `GRUB's core image (${core.length} bytes) is larger than the BIOS boot partition.`);
  }
  // The core's first sector reads the rest: its block list starts one sector further on.
  core.writeBigUInt64LE(BigInt(partition.start + 1), 0x1f4);
  await raw.write(core, 0, core.length, partition.offsetBytes);
  const boot = await readFile(join(await grubModulesDir(install.loader, 'i386-pc', install.deployment), 'boot.img'));
  boot.writeBigUInt64LE(BigInt(partition.start), 0x5c);
  // Two NOPs over the jump that takes any drive for a floppy: some BIOSes pass a wrong drive number.
  boot.writeUInt16LE(0x9090, 0x66);
  return boot.subarray(0, 440);
}

/** Fills the EFI system partition: the tree's own EFI folder where it has one, else GRUB as the removable-media loader. */
export async function installEfiGrub(install: GrubInstall, fat: FatInFile, task: Task): Promise<void> {
  const { loader, timestamp } = install;
  if (loader.vendorEfi !== undefined)
    return copyVendorEfi(install, followInRoot(install.deployment, loader.vendorEfi), fat, task);
  const core = await coreImage(install, 'x86_64-efi', task);
  await makeFatFolders(fat, ['/EFI', '/EFI/BOOT'], timestamp, task);
  await copyIntoFat(fat, core, '/EFI/BOOT/BOOTX64.EFI', timestamp, task);
}

async function copyVendorEfi(install: GrubInstall, source: string, fat: FatInFile, task: Task): Promise<void> {
  const { timestamp } = install;
  const stub = join(install.scratchDir, 'grub-vendor.cfg');
  const values = { bootUuid: install.bootUuid, configDir: install.loader.configDir };
  await writeFile(stub, await renderTemplate('grub/vendor.cfg.hbs', values));
  await makeFatFolders(fat, ['/EFI'], timestamp, task);
  const vendors = (await readdir(source, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  for (const vendor of vendors.map(({ name }) => name).sort()) {
    await makeFatFolders(fat, [`/EFI/${vendor}`], timestamp, task);
    const files = (await readdir(join(source, vendor), { withFileTypes: true })).filter((entry) => entry.isFile());
    for (const { name } of files.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (name === 'grub.cfg') continue;
      await copyIntoFat(fat, join(source, vendor, name), `/EFI/${vendor}/${name}`, timestamp, task);
    }
    if (vendor !== 'BOOT') await copyIntoFat(fat, stub, `/EFI/${vendor}/grub.cfg`, timestamp, task);
  }
}

async function coreImage(install: GrubInstall, format: GrubFormat, task: Task): Promise<string> {
  const { loader, scratchDir } = install;
  const earlyConfig = join(scratchDir, `grub-early-${format}.cfg`);
  const output = join(scratchDir, `core-${format}.img`);
  const prefix = install.prefix ?? `/${loader.configDir}`;
  const values = { bootUuid: install.bootUuid, configDir: loader.configDir };
  const searching = await renderTemplate('grub/early.cfg.hbs', values);
  await writeFile(earlyConfig, install.prefix === undefined ? searching : 'configfile $prefix/grub.cfg\n');
  const modules = `${COMMON_MODULES} ${FORMAT_MODULES[format]}`.split(' ').concat(loader.extraModules);
  const modulesDir = await grubModulesDir(loader, format, install.deployment);
  await makeGrubImage({ format, modulesDir, modules, earlyConfig, prefix, output }, task);
  return output;
}
