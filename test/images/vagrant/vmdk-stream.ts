import { inflateSync } from 'node:zlib';

const SECTOR = 512;

export interface Grain {
  /** First sector on the disk. */
  readonly sector: number;
  readonly data: Buffer;
}

/**
 * Reads a stream-optimised VMDK from front to back, without its tables, as an importer does that takes it from a pipe.
 * Format: VMware's Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents".
 * @throws Error when it ends without an end-of-stream marker.
 */
export function readStream(vmdk: Buffer): Grain[] {
  const grains: Grain[] = [];
  // "overHead" in the header: where the header, the descriptor and the tables end.
  let at = Number(vmdk.readBigUInt64LE(64)) * SECTOR;
  while (at < vmdk.length) {
    const value = Number(vmdk.readBigUInt64LE(at));
    const size = vmdk.readUInt32LE(at + 8);
    if (size === 0) {
      if (vmdk.readUInt32LE(at + 12) !== 0) throw new Error(`Unexpected marker at byte ${at}`);
      return grains;
    }
    grains.push({ sector: value, data: inflateSync(vmdk.subarray(at + 12, at + 12 + size)) });
    at += Math.ceil((12 + size) / SECTOR) * SECTOR;
  }
  throw new Error('No end-of-stream marker');
}
