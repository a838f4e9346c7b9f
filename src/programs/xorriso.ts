import { chmod, open, writeFile } from 'node:fs/promises';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { unknownListing } from './unknown-listing.ts';

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
      ...['-o', request.iso, request.folder],
    ],
    { task, env: { SOURCE_DATE_EPOCH: String(timestamp) } },
  );
}

/** `YYYYMMDDhhmmsscc` in UTC. */
function volumeDate(timestamp: number): string {
  return `${new Date(timestamp * 1000).toISOString().replaceAll(/\D/g, '').slice(0, 14)}00`;
}

/** Returns every file of an ISO as an absolute path. @throws NightlyError `image` when some of the list cannot be read. */
export async function filesOfIso(iso: string, task: Task): Promise<string[]> {
  const { stdout } = await run('xorriso', ['-indev', iso, '-find', '/', '-type', 'f'], { task });
  return parseFind(stdout);
}

/** A path as xorriso prints it for a shell: in single quotes, and each quote of its own as `'"'"'`. It may have line breaks. */
const QUOTED = /'([^']*(?:'"'"'[^']*)*)'\n/y;

/**
 * Returns the paths that `-find` of xorriso lists, one behind the other.
 * @throws NightlyError `image` for what is no such list.
 */
export function parseFind(printed: string): string[] {
  const paths: string[] = [];
  const next = new RegExp(QUOTED);
  while (next.lastIndex < printed.length) {
    const from = next.lastIndex;
    const path = next.exec(printed)?.[1];
    if (path === undefined) throw unknownListing('xorriso', printed.slice(from));
    paths.push(path.replaceAll(`'"'"'`, "'"));
  }
  return paths;
}

/** Copies one file out of an ISO, over what is at `target`. */
export async function extractFromIso(iso: string, path: string, target: string, task: Task): Promise<void> {
  await run('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', path, target], { task });
  // On the ISO nothing can be written to.
  await chmod(target, 0o644);
}

/** A partition that lies behind the ISO's own files. */
export interface AppendedPartition {
  readonly number: number;
  /** The type as xorriso prints it: a GUID or a hexadecimal byte. */
  readonly type: string;
  /** A file with its content. */
  readonly file: string;
}

/** Copies the appended EFI system partition of an ISO to `target`; undefined when it has none. */
export async function appendedEfi(iso: string, target: string, task: Task): Promise<AppendedPartition | undefined> {
  const { stdout } = await run('xorriso', ['-indev', iso, '-report_el_torito', 'as_mkisofs'], { task });
  const file = await open(iso, 'r');
  try {
    const { size } = await file.stat();
    const found = parseAppended(stdout, size);
    if (found === undefined) return undefined;
    const bytes = Buffer.alloc(found.bytes);
    await file.read(bytes, 0, bytes.length, found.start);
    await writeFile(target, bytes);
    return { number: found.number, type: found.type, file: target };
  } finally {
    await file.close();
  }
}

/**
 * Returns the EFI system partition among those that `-report_el_torito as_mkisofs` says are appended: its number and type, and where
 * it is in the ISO.
 * @param size of the ISO in bytes
 * @throws NightlyError `image` for one that is not within the ISO.
 */
export function parseAppended(printed: string, size: number) {
  const line = /^-append_partition (\d+) (0xef|C12A7328\S*|28732ac1\S*) --interval:[^:]*:(\d+)([ds]?)-(\d+)[ds]?:/im;
  const [whole = '', number, type, first, unit, last] = line.exec(printed) ?? [];
  if (number === undefined || type === undefined) return undefined;
  // xorriso counts in blocks of 512 bytes (d) or 2048 (s).
  const block = unit === 's' ? 2048 : 512;
  const [start, end] = [Number(first) * block, (Number(last) + 1) * block];
  if (start >= end || end > size) throw unknownListing('xorriso', whole);
  return { number: Number(number), type, start, bytes: end - start };
}

export interface RemasterRequest {
  readonly source: string;
  readonly iso: string;
  /** Added to what the source has, over files of the same name. */
  readonly folder: string;
  /** Takes the place of the source's EFI partition. */
  readonly efi?: AppendedPartition;
  /** Seconds since the epoch, of every file and of the volume. */
  readonly timestamp: number;
}

/** Copies an ISO with more files in it; volume id and all that makes it bootable stay. */
export async function remasterIso(request: RemasterRequest, task: Task): Promise<void> {
  const { efi, timestamp } = request;
  await run(
    'xorriso',
    [
      ...['-indev', request.source, '-outdev', request.iso, '-boot_image', 'any', 'replay'],
      ...['-map', request.folder, '/', '-chown_r', '0', '/', '--', '-chgrp_r', '0', '/', '--'],
      ...(efi === undefined ? [] : ['-append_partition', String(efi.number), efi.type, efi.file]),
      ...['-volume_date', 'uuid', volumeDate(timestamp), '-volume_date', 'all_file_dates', `=${timestamp}`],
    ],
    { task, env: { SOURCE_DATE_EPOCH: String(timestamp) } },
  );
}
