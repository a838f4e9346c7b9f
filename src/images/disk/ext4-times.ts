import { type FileHandle, open } from 'node:fs/promises';
import { crc32c } from './crc.ts';

/**
 * Sets the times of every inode of a fresh ext4 file system inside a file, because mke2fs -d copies the change time
 * of the build host's files, which nobody can choose: two builds of one commit would differ in every inode. Changed,
 * read and made becomes `timestamp`; modified is kept when older. Layout: kernel documentation
 * filesystems/ext4, "Index Nodes" and "Checksums".
 */
export async function setExt4Times(path: string, offsetBytes: number, timestamp: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const fs = await readSuperblock(file, offsetBytes);
    for (let group = 0; group < fs.groups; group++) {
      const { tableBlock, used } = groupOf(fs, group);
      if (used === 0) continue;
      const table = Buffer.alloc(used * fs.inodeBytes);
      const at = offsetBytes + tableBlock * fs.blockBytes;
      await file.read(table, 0, table.length, at);
      for (let index = 0; index < used; index++) {
        const inode = table.subarray(index * fs.inodeBytes, (index + 1) * fs.inodeBytes);
        // Mode 0 is an inode that is not in use.
        if (inode.readUInt16LE(0) !== 0) setTimes(inode, group * fs.inodesPerGroup + index + 1, fs.seed, timestamp);
      }
      await file.write(table, 0, table.length, at);
    }
  } finally {
    await file.close();
  }
}

interface Layout {
  readonly blockBytes: number;
  readonly inodeBytes: number;
  readonly inodesPerGroup: number;
  readonly groups: number;
  readonly descriptorBytes: number;
  readonly descriptors: Buffer;
  /** Start value of all metadata checksums: over the file system's UUID. */
  readonly seed: number;
}

async function readSuperblock(file: FileHandle, offsetBytes: number): Promise<Layout> {
  const superblock = Buffer.alloc(1024);
  await file.read(superblock, 0, 1024, offsetBytes + 1024);
  const blockBytes = 1024 << superblock.readUInt32LE(0x18);
  const inodesPerGroup = superblock.readUInt32LE(0x28);
  const groups = superblock.readUInt32LE(0x00) / inodesPerGroup;
  const descriptorBytes = superblock.readUInt16LE(0xfe) || 32;
  const descriptors = Buffer.alloc(groups * descriptorBytes);
  await file.read(descriptors, 0, descriptors.length, offsetBytes + (superblock.readUInt32LE(0x14) + 1) * blockBytes);
  return {
    blockBytes,
    inodeBytes: superblock.readUInt16LE(0x58),
    inodesPerGroup,
    groups,
    descriptorBytes,
    descriptors,
    seed: crc32c(0xffffffff, superblock.subarray(0x68, 0x78)),
  };
}

/** Returns where a group's inode table starts and how many of its inodes were ever used. */
function groupOf(fs: Layout, group: number): { readonly tableBlock: number; readonly used: number } {
  const descriptor = fs.descriptors.subarray(group * fs.descriptorBytes, (group + 1) * fs.descriptorBytes);
  const wide = fs.descriptorBytes >= 64;
  const tableBlock = descriptor.readUInt32LE(0x08) + (wide ? descriptor.readUInt32LE(0x28) * 2 ** 32 : 0);
  const unused = descriptor.readUInt16LE(0x1c) + (wide ? descriptor.readUInt16LE(0x32) * 2 ** 16 : 0);
  return { tableBlock, used: fs.inodesPerGroup - unused };
}

/** Seconds at 0x08 (read), 0x0c (changed), 0x10 (modified), 0x90 (made); nanoseconds of each further down. */
function setTimes(inode: Buffer, number: number, seed: number, timestamp: number): void {
  inode.writeUInt32LE(timestamp, 0x08);
  inode.writeUInt32LE(timestamp, 0x0c);
  inode.writeUInt32LE(Math.min(inode.readUInt32LE(0x10), timestamp), 0x10);
  if (inode.readUInt16LE(0x80) >= 0x18) {
    inode.fill(0, 0x84, 0x90);
    inode.writeUInt32LE(timestamp, 0x90);
    inode.writeUInt32LE(0, 0x94);
  }
  inode.writeUInt16LE(0, 0x7c);
  inode.writeUInt16LE(0, 0x82);
  const salt = Buffer.alloc(8);
  salt.writeUInt32LE(number, 0);
  inode.copy(salt, 4, 0x64, 0x68);
  const checksum = crc32c(crc32c(seed, salt), inode);
  inode.writeUInt16LE(checksum & 0xffff, 0x7c);
  inode.writeUInt16LE(checksum >>> 16, 0x82);
}
