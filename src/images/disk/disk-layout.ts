import { NightlyError } from '../../base/errors.ts';
import { derivedUuid, type IdSeed } from './disk-ids.ts';
import { lastUsableSector, PARTITION_TYPES, type Partition, SECTOR_BYTES } from './gpt.ts';

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
/** What the root partition needs at least for a tree and its successor to lie beside each other. */
const SMALLEST_ROOT_BYTES = 512 * MIB;

/** Sizes in bytes, multiples of 1 MiB. */
export interface DiskSizes {
  readonly disk: number;
  readonly efi: number;
  /** Two kernels with their initramfs must fit, and a third while an upgrade is being written. */
  readonly boot: number;
}

/** Bytes of the smallest disk with room for those partitions and a root. */
export function smallestDisk({ efi, boot }: Omit<DiskSizes, 'disk'>): number {
  return 2 * MIB + BIOS_BOOT_BYTES + efi + boot + SMALLEST_ROOT_BYTES;
}

/**
 * Places the partitions of a disk, aligned to 1 MiB.
 * @throws NightlyError `image` when too little is left for the root partition.
 */
export function diskLayout(sizes: DiskSizes, seed: IdSeed): DiskLayout {
  const { disk: diskBytes, efi: efiBytes, boot: bootBytes } = sizes;
  const smallest = smallestDisk(sizes);
  if (diskBytes < smallest) {
    throw new NightlyError('image', `A disk of ${diskBytes / MIB} MiB cannot be laid out.`, {
      hint: `Give "disk: size" in the type's image.yaml at least ${smallest / MIB} MiB, or make "boot" smaller.`,
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
  const bootAt = efiAt + efiBytes;
  const rootAt = bootAt + bootBytes;
  const endOfUsable = (lastUsableSector(diskSectors) + 1) * SECTOR_BYTES;
  return {
    diskSectors,
    biosBoot: place('bios-boot', PARTITION_TYPES.biosBoot, MIB, BIOS_BOOT_BYTES),
    efi: place('efi', PARTITION_TYPES.efiSystem, efiAt, efiBytes),
    // Not the "extended boot" type: systemd's GPT generator would mount it by itself beside the fstab entry.
    boot: place('boot', PARTITION_TYPES.linuxData, bootAt, bootBytes),
    root: place('root', PARTITION_TYPES.linuxData, rootAt, Math.floor((endOfUsable - rootAt) / MIB) * MIB),
  };
}
