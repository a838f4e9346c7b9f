import { run } from './exec.ts';
import type { Task } from './task.ts';

/** Makes an ISO 9660 image with long names from the files of a folder. @throws NightlyError `tool-missing`, `tool-failed`. */
export async function makeIso(iso: string, label: string, folder: string, task: Task): Promise<void> {
  await run('xorriso', ['-as', 'mkisofs', '-quiet', '-J', '-r', '-V', label, '-o', iso, folder], { task });
}

export interface BootableIsoRequest {
  readonly folder: string;
  readonly iso: string;
  /** Up to 32 of A-Z, 0-9, _ and -. */
  readonly volumeId: string;
  /** Paths in the folder: GRUB's El Torito image, and a FAT image with an EFI folder. */
  readonly biosImage: string;
  readonly efiImage: string;
  /** GRUB's boot_hybrid.img: boots the El Torito image where BIOS takes the medium for a disk. */
  readonly hybridMbr: string;
  /** A UUID, for the partition table that USB sticks are read by. */
  readonly diskGuid: string;
  /** Seconds since the epoch, of every file and of the volume. */
  readonly timestamp: number;
}

/**
 * Makes an ISO that BIOS and UEFI boot from a disc and, written as it is to a USB stick, as a disk: a GPT names the EFI
 * image as EFI system partition, and the boot sector has GRUB's code. Everything belongs to root.
 * @throws NightlyError `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function makeBootableIso(request: BootableIsoRequest, task: Task): Promise<void> {
  const { timestamp } = request;
  await run(
    'xorriso',
    [
      ...['-as', 'mkisofs', '-quiet', '-r', '-iso-level', '3', '-V', request.volumeId],
      ...[`--modification-date=${volumeDate(timestamp)}`, '--set_all_file_dates', `=${timestamp}`],
      ...['--gpt_disk_guid', request.diskGuid],
      ...['-b', request.biosImage, '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table', '--grub2-boot-info'],
      ...['--grub2-mbr', request.hybridMbr, '--protective-msdos-label'],
      ...['--efi-boot', request.efiImage, '-efi-boot-part', '--efi-boot-image'],
      // What boots first lies first, and in the order of names: otherwise content lies in the order of inode numbers.
      ...['-o', request.iso, request.folder],
    ],
    { task, env: { SOURCE_DATE_EPOCH: String(timestamp) } },
  );
}

/** `YYYYMMDDhhmmsscc` in UTC. */
function volumeDate(timestamp: number): string {
  return `${new Date(timestamp * 1000).toISOString().replaceAll(/\D/g, '').slice(0, 14)}00`;
}
