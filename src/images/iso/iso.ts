import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { type DiskSizes, smallestDisk } from '../disk/disk-layout.ts';
import type { ImageSource } from '../image.ts';
import type { InstallerFormat } from '../image-format.ts';
import { plainDigest } from '../plain-digest.ts';
import { sizeBytes } from '../template/image-template.ts';
import { buildFromBootIso } from './anaconda.ts';
import { buildFromCommit } from './built-in.ts';
import { implantMediaCheck } from './media-check.ts';

export interface IsoOptions {
  /** Kernel arguments of the installed system, apart from `root=`; the installer uses the same consoles. */
  readonly kernelArguments: readonly string[];
  /** How long the boot menu waits for a key. */
  readonly menuSeconds: number;
  /** Bytes of the installed disk's EFI and boot partitions. */
  readonly sizes: Omit<DiskSizes, 'disk'>;
  /** A boot.iso, or the folder lorax wrote: then Anaconda installs, and the built-in installer is left out. */
  readonly bootIso?: string | undefined;
}

/**
 * Makes an ISO that boots from BIOS and UEFI, as a disc and from a USB stick, and installs the commit without a
 * network. Equal commits, options and time stamps give equal bytes. `outputFile` is written in place.
 * @throws NightlyError `image`, `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function buildIso(
  request: ImageSource,
  options: IsoOptions,
  outputFile: string,
  task: Task,
): Promise<void> {
  const { kernelArguments, menuSeconds, bootIso } = options;
  const scratchDir = join(request.scratchDir, 'iso');
  // What a killed try left behind.
  await rm(scratchDir, { recursive: true, force: true });
  await rm(outputFile, { force: true });
  await makeFolder(scratchDir);
  const common = { image: request, kernelArguments, scratchDir, outputFile };
  if (bootIso === undefined) {
    const sizes = { ...options.sizes, disk: smallestDisk(options.sizes) };
    await buildFromCommit({ ...common, menuSeconds, sizes }, task);
  } else await buildFromBootIso({ ...common, bootIso }, task);
  task.say('Embedding the checksum for the media check');
  await implantMediaCheck(outputFile);
  await rm(scratchDir, { recursive: true });
}

export const ISO: InstallerFormat = {
  kind: 'installer',
  async build(request, output, task) {
    const { disk, ...template } = request.template;
    const options: IsoOptions = {
      kernelArguments: template['kernel-arguments'],
      menuSeconds: template['boot-menu'].timeout,
      sizes: { efi: sizeBytes(disk.efi), boot: sizeBytes(disk.boot) },
      bootIso: template['boot-iso'],
    };
    await buildIso(request, options, output, task);
    return plainDigest(output);
  },
};
