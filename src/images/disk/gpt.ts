import type { FileHandle } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';
import { crc32 } from './crc.ts';

/**
 * GUID partition tables, written and read by the UEFI specification 2.10, chapter 5: a protective MBR in sector 0, the
 * header in sector 1, 128 entries of 128 bytes from sector 2, and a copy of entries and header at the disk's end.
 */
export const SECTOR_BYTES = 512;
const ENTRY_COUNT = 128;
const ENTRY_BYTES = 128;
const ENTRY_SECTORS = (ENTRY_COUNT * ENTRY_BYTES) / SECTOR_BYTES;
const HEADER_BYTES = 92;
const MBR_CODE_BYTES = 440;

export const PARTITION_TYPES = {
  biosBoot: '21686148-6449-6e6f-744e-656564454649',
  efiSystem: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  linuxData: '0fc63daf-8483-4772-8e79-3d69d8477de4',
} as const;

export interface Partition {
  /** Up to 36 characters. */
  readonly name: string;
  readonly type: string;
  readonly guid: string;
  /** First sector and number of sectors, of 512 bytes. */
  readonly start: number;
  readonly sectors: number;
}

export interface PartitionTable {
  readonly diskGuid: string;
  readonly partitions: readonly Partition[];
}

/** Returns the last sector a partition may use on a disk of that many sectors. */
export function lastUsableSector(diskSectors: number): number {
  return diskSectors - ENTRY_SECTORS - 2;
}

/**
 * Writes the protective MBR and both copies of the table.
 * @param bootCode the MBR's first 440 bytes, which BIOS firmware runs.
 */
export async function writeGpt(
  file: FileHandle,
  diskSectors: number,
  table: PartitionTable,
  bootCode: Uint8Array,
): Promise<void> {
  const entries = Buffer.alloc(ENTRY_COUNT * ENTRY_BYTES);
  table.partitions.forEach((partition, index) => {
    encodeEntry(partition).copy(entries, index * ENTRY_BYTES);
  });
  const last = diskSectors - 1;
  const primary = encodeHeader({ table, entries, diskSectors, here: 1, other: last, entriesAt: 2 });
  const backup = encodeHeader({ table, entries, diskSectors, here: last, other: 1, entriesAt: last - ENTRY_SECTORS });
  await write(file, protectiveMbr(diskSectors, bootCode), 0);
  await write(file, primary, 1);
  await write(file, entries, 2);
  await write(file, entries, last - ENTRY_SECTORS);
  await write(file, backup, last);
}

/** Far more than the 16 KiB that every program makes. */
const MAX_TABLE_BYTES = 1 << 20;
/** Beyond it bytes cannot be counted. */
const MAX_TABLE_SECTOR = Number.MAX_SAFE_INTEGER / (2 * SECTOR_BYTES);

/** Reads the primary table and checks both of its checksums. @throws NightlyError `image` naming what is wrong. */
export async function readGpt(file: FileHandle): Promise<PartitionTable> {
  const header = await read(file, 1, SECTOR_BYTES);
  if (header.toString('latin1', 0, 8) !== 'EFI PART') throw damaged('there is no GPT header in sector 1');
  const unsummed = Buffer.from(header.subarray(0, HEADER_BYTES));
  unsummed.writeUInt32LE(0, 16);
  if (crc32(unsummed) !== header.readUInt32LE(16)) throw damaged('the checksum of its GPT header is wrong');
  const count = header.readUInt32LE(80);
  const size = header.readUInt32LE(84);
  const at = Number(header.readBigUInt64LE(72));
  // Whoever made the image wrote them; Node.js ends the process where a length is no 32-bit number.
  if (size < ENTRY_BYTES || size % ENTRY_BYTES > 0 || count * size > MAX_TABLE_BYTES || at > MAX_TABLE_SECTOR) {
    throw damaged(`it has ${count} partition entries of ${size} bytes from sector ${at} on`);
  }
  const entries = await read(file, at, count * size);
  if (crc32(entries) !== header.readUInt32LE(88)) throw damaged('the checksum of its partition entries is wrong');
  const partitions: Partition[] = [];
  for (let from = 0; from < entries.length; from += size) {
    const entry = entries.subarray(from, from + size);
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const start = Number(entry.readBigUInt64LE(32));
    partitions.push({
      type: decodeGuid(entry.subarray(0, 16)),
      guid: decodeGuid(entry.subarray(16, 32)),
      start,
      sectors: Number(entry.readBigUInt64LE(40)) - start + 1,
      name: entry.toString('utf16le', 56, ENTRY_BYTES).replace(/\0+$/, ''),
    });
  }
  return { diskGuid: decodeGuid(header.subarray(56, 72)), partitions };
}

function encodeEntry(partition: Partition): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES);
  encodeGuid(partition.type).copy(entry, 0);
  encodeGuid(partition.guid).copy(entry, 16);
  entry.writeBigUInt64LE(BigInt(partition.start), 32);
  entry.writeBigUInt64LE(BigInt(partition.start + partition.sectors - 1), 40);
  entry.write(partition.name, 56, 'utf16le');
  return entry;
}

function encodeHeader(from: {
  readonly table: PartitionTable;
  readonly entries: Buffer;
  readonly diskSectors: number;
  readonly here: number;
  readonly other: number;
  readonly entriesAt: number;
}): Buffer {
  const header = Buffer.alloc(SECTOR_BYTES);
  header.write('EFI PART', 0, 'latin1');
  header.writeUInt32LE(0x00010000, 8);
  header.writeUInt32LE(HEADER_BYTES, 12);
  header.writeBigUInt64LE(BigInt(from.here), 24);
  header.writeBigUInt64LE(BigInt(from.other), 32);
  header.writeBigUInt64LE(BigInt(2 + ENTRY_SECTORS), 40);
  header.writeBigUInt64LE(BigInt(lastUsableSector(from.diskSectors)), 48);
  encodeGuid(from.table.diskGuid).copy(header, 56);
  header.writeBigUInt64LE(BigInt(from.entriesAt), 72);
  header.writeUInt32LE(ENTRY_COUNT, 80);
  header.writeUInt32LE(ENTRY_BYTES, 84);
  header.writeUInt32LE(crc32(from.entries), 88);
  header.writeUInt32LE(crc32(header.subarray(0, HEADER_BYTES)), 16);
  return header;
}

function protectiveMbr(diskSectors: number, bootCode: Uint8Array): Buffer {
  const mbr = Buffer.alloc(SECTOR_BYTES);
  mbr.set(bootCode.subarray(0, MBR_CODE_BYTES));
  // One entry of type EE from sector 1 to the end, with the CHS values the specification fixes.
  mbr.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff], 446);
  mbr.writeUInt32LE(1, 454);
  mbr.writeUInt32LE(Math.min(diskSectors - 1, 0xffffffff), 458);
  mbr.writeUInt16LE(0xaa55, 510);
  return mbr;
}

/** Encodes a GUID: on disk its first three fields are little-endian. */
function encodeGuid(guid: string): Buffer {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

function decodeGuid(bytes: Uint8Array): string {
  const copy = Buffer.from(bytes);
  copy.subarray(0, 4).reverse();
  copy.subarray(4, 6).reverse();
  copy.subarray(6, 8).reverse();
  return copy.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

async function write(file: FileHandle, bytes: Uint8Array, sector: number): Promise<void> {
  await file.write(bytes, 0, bytes.length, sector * SECTOR_BYTES);
}

async function read(file: FileHandle, sector: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  await file.read(bytes, 0, length, sector * SECTOR_BYTES);
  return bytes;
}

function damaged(what: string): NightlyError {
  return new NightlyError('image', `The disk image cannot be read: ${what}.`, {
    hint: 'Remove the image and build it again with "atomic-nightly images".',
  });
}
