import { NightlyError } from '../../errors.ts';
import { lastUsableSector, PARTITION_TYPES, type Partition, SECTOR_BYTES } from './gpt.ts';
import { derivedUuid, type IdSeed } from './ids.ts';

/** A partition with where it lies in bytes, for programs that take an offset into the raw file. */
export interface Placed extends Partition {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface DiskLayout {
  readonly diskSectors: number;
  readonly biosBoot: Placed;
  readonly efi: Placed;
  readonly boot: Placed;
  /** Last, so that it can grow with the disk. */
  readonly root: Placed;
}

const MIB = 1024 * 1024;
const BIOS_BOOT_BYTES = MIB;
const EFI_BYTES = 100 * MIB;
/** Two kernels with their initramfs must fit, and a third while an upgrade is being written. */
const BOOT_BYTES = 1024 * MIB;
export const SMALLEST_DISK_BYTES = 2048 * MIB;

/**
 * Places the partitions of a cloud disk, aligned to 1 MiB.
 * @throws NightlyError `image` when the disk is too small or no multiple of 1 MiB.
 */
export function cloudDiskLayout(diskBytes: number, seed: IdSeed): DiskLayout {
  if (diskBytes < SMALLEST_DISK_BYTES || diskBytes % MIB !== 0) {
    throw new NightlyError('image', `A disk of ${diskBytes} bytes cannot be laid out.`, {
      hint: `Choose a multiple of 1 MiB, at least ${SMALLEST_DISK_BYTES / MIB} MiB.`,
    });
  }
  const diskSectors = diskBytes / SECTOR_BYTES;
  const place = (name: string, type: string, offsetBytes: number, sizeBytes: number): Placed => ({
    name,
    type,
    guid: derivedUuid(seed, `partition ${name}`),
    start: offsetBytes / SECTOR_BYTES,
    sectors: sizeBytes / SECTOR_BYTES,
    offsetBytes,
    sizeBytes,
  });
  const efiAt = MIB + BIOS_BOOT_BYTES;
  const bootAt = efiAt + EFI_BYTES;
  const rootAt = bootAt + BOOT_BYTES;
  const endOfUsable = (lastUsableSector(diskSectors) + 1) * SECTOR_BYTES;
  return {
    diskSectors,
    biosBoot: place('bios-boot', PARTITION_TYPES.biosBoot, MIB, BIOS_BOOT_BYTES),
    efi: place('efi', PARTITION_TYPES.efiSystem, efiAt, EFI_BYTES),
    // Not the "extended boot" type: systemd's GPT generator would mount it by itself beside the fstab entry.
    boot: place('boot', PARTITION_TYPES.linuxData, bootAt, BOOT_BYTES),
    root: place('root', PARTITION_TYPES.linuxData, rootAt, Math.floor((endOfUsable - rootAt) / MIB) * MIB),
  };
}
