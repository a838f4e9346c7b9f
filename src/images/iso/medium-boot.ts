import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { makeGrubImage } from '../../programs/grub.ts';
import { copyIntoFat, makeFat, makeFatFolders } from '../../programs/mtools.ts';
import { type BootLoader, type GrubFormat, grubModulesDir } from '../disk/bootloader.ts';
import { renderTemplate } from '../template/render-template.ts';

/** Paths on the medium. */
export const BIOS_IMAGE = 'boot/grub/bios.img';
export const EFI_IMAGE = 'boot/grub/efi.img';

/** All that reads the menu and boots from it: nothing is loaded from the medium later. */
const MODULES =
  'iso9660 part_gpt part_msdos search search_label normal configfile linux serial terminal test echo halt reboot';
const FORMAT_MODULES: Readonly<Record<GrubFormat, string>> = { 'i386-pc': 'biosdisk', 'x86_64-efi': 'fat all_video' };

export interface MediumBoot {
  readonly loader: BootLoader;
  /** The checked-out tree, for trees that carry GRUB. */
  readonly root: string;
  /** The medium's content so far. */
  readonly contents: string;
  readonly volumeId: string;
  /** Eight hexadecimal digits, of the EFI partition. */
  readonly fatId: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly scratchDir: string;
}

/**
 * Writes the boot loaders of the medium: an El Torito image for BIOS, and a FAT file system with an EFI folder that
 * serves as El Torito image and, on a USB stick, as EFI system partition.
 * @returns the boot sector that lets BIOS start the same medium as a disk.
 */
export async function writeMediumBoot(medium: MediumBoot, task: Task): Promise<{ readonly hybridMbr: string }> {
  const { contents, loader, root } = medium;
  await makeFolder(join(contents, 'boot/grub'));
  const biosModules = await grubModulesDir(loader, 'i386-pc', root);
  await makeCore(medium, 'i386-pc-eltorito', 'i386-pc', join(contents, BIOS_IMAGE), task);
  await writeEfiImage(medium, task);
  return { hybridMbr: join(biosModules, 'boot_hybrid.img') };
}

async function writeEfiImage(medium: MediumBoot, task: Task): Promise<void> {
  const files = await efiFiles(medium, task);
  const sizes = await Promise.all(files.map(async ({ source }) => (await readFile(source)).length));
  const fat = { file: join(medium.contents, EFI_IMAGE), offsetBytes: 0 };
  const sizeBytes = fatBytes(sizes.reduce((sum, size) => sum + size, 0));
  await writeFile(fat.file, '');
  await truncate(fat.file, sizeBytes);
  await makeFat({ ...fat, sizeBytes, label: 'INSTALL', volumeId: medium.fatId, bits: 16 }, task);
  await makeFatFolders(fat, ['/EFI', '/EFI/BOOT'], medium.timestamp, task);
  for (const { source, name } of files) await copyIntoFat(fat, source, `/EFI/BOOT/${name}`, medium.timestamp, task);
}

const MIB = 1024 * 1024;

/** FAT16 needs 4085 clusters, of 512 bytes here; beyond 2 MiB room for the tables and a partly filled last cluster. */
function fatBytes(contentBytes: number): number {
  return Math.max(3 * MIB, Math.ceil((contentBytes * 1.1) / MIB + 1) * MIB);
}

/**
 * The EFI folder of removable media has but one place, EFI/BOOT: with a tree's signed loaders, shim under the
 * firmware's default name, what it starts, and a configuration that goes on to the menu on the medium.
 */
async function efiFiles(medium: MediumBoot, task: Task): Promise<{ readonly source: string; readonly name: string }[]> {
  const { loader, root, scratchDir } = medium;
  if (loader.vendorEfi === undefined) {
    const core = join(scratchDir, 'medium-efi.img');
    await makeCore(medium, 'x86_64-efi', 'x86_64-efi', core, task);
    return [{ source: core, name: 'BOOTX64.EFI' }];
  }
  const efi = followInRoot(root, loader.vendorEfi);
  const config = await writeEarlyConfig(medium, 'vendor');
  const files = [{ source: config, name: 'grub.cfg' }];
  const vendors = (await readdir(efi, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  for (const vendor of vendors.map(({ name }) => name).sort()) {
    const inside = (await readdir(join(efi, vendor), { withFileTypes: true })).filter((entry) => entry.isFile());
    for (const name of inside.map((entry) => entry.name).sort()) {
      if (/^(BOOTX64|grubx64|mmx64)\.EFI$/i.test(name)) files.push({ source: join(efi, vendor, name), name });
    }
  }
  return files;
}

async function makeCore(
  medium: MediumBoot,
  format: 'i386-pc-eltorito' | 'x86_64-efi',
  modulesOf: GrubFormat,
  output: string,
  task: Task,
): Promise<void> {
  const earlyConfig = await writeEarlyConfig(medium, format);
  const modules = `${MODULES} ${FORMAT_MODULES[modulesOf]}`.split(' ');
  const modulesDir = await grubModulesDir(medium.loader, modulesOf, medium.root);
  await makeGrubImage({ format, modulesDir, modules, earlyConfig, prefix: '/boot/grub', output }, task);
}

async function writeEarlyConfig(medium: MediumBoot, purpose: string): Promise<string> {
  const path = join(medium.scratchDir, `medium-early-${purpose}.cfg`);
  await writeFile(path, await renderTemplate('iso/grub-early.cfg.hbs', { volumeId: medium.volumeId }));
  return path;
}
