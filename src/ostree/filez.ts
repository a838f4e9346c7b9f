import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { asArray, decodeVariant, encodeVariant } from './gvariant.ts';

/** Size limit of a file header; no legitimate one comes near it. */
const MAX_HEADER = 1 << 20;

/**
 * Returns the checksum that a `.filez` object's content has: of its header and its unpacked bytes. The file is a length
 * (32 bits, big-endian), four zero bytes, a header of type `(tuuuusa(ayay))` (size, owner, group, mode, device, symlink
 * target, extended attributes), and the bytes as raw deflate; what is digested is the same without the size, unpacked
 * (ostree-core.c, `ostree_checksum_file_from_input` and `_ostree_zlib_file_header_new`).
 * @returns undefined when the file is not such an object, or is cut short.
 */
export async function filezChecksum(path: string): Promise<string | undefined> {
  const file = await open(path, 'r');
  try {
    const prefix = Buffer.alloc(8);
    if ((await file.read(prefix, 0, 8, 0)).bytesRead < 8) return undefined;
    const length = prefix.readUInt32BE(0);
    if (length > MAX_HEADER) return undefined;
    const header = Buffer.alloc(length);
    if ((await file.read(header, 0, length, 8)).bytesRead < length) return undefined;
    const hash = createHash('sha256');
    const [, ...fields] = asArray(decodeVariant('(tuuuusa(ayay))', header));
    const plain = encodeVariant('(uuuusa(ayay))', fields);
    const start = Buffer.alloc(8);
    start.writeUInt32BE(plain.length, 0);
    hash.update(start).update(plain);
    const { size } = await file.stat();
    // Symbolic links have no content.
    if (size > 8 + length) {
      await pipeline(createReadStream(path, { start: 8 + length }), createInflateRaw(), async (unpacked) => {
        for await (const chunk of unpacked) hash.update(chunk as Buffer);
      });
    }
    return hash.digest('hex');
  } catch (error) {
    // Not a header, or not deflated data: damaged. Faults of the disk go through.
    if (error instanceof Error && 'code' in error && !String(error.code).startsWith('Z_')) throw error;
    return undefined;
  } finally {
    await file.close();
  }
}

/** Returns the size that the header of a `.filez` object gives the unpacked file, in bytes; 0 when it is cut short. */
export async function filezSize(path: string): Promise<number> {
  const file = await open(path);
  try {
    // The first field of the header, after its length and four zero bytes.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
    return bytesRead < 16 ? 0 : Number(buffer.readBigUInt64BE(8));
  } finally {
    await file.close();
  }
}
