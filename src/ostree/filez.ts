import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw, inflateRawSync } from 'node:zlib';
import {
  asArray,
  asBigint,
  asBytes,
  asNumber,
  asString,
  decodeVariant,
  encodeVariant,
  swap32,
  swap64,
  type VariantValue,
} from './gvariant.ts';

/** Size limit of a file header; no legitimate one comes near it. */
const MAX_HEADER = 1 << 20;

/** What a file header says. */
export interface FilezHeader {
  /** Size of the unpacked content, in bytes. */
  readonly size: number;
  /** The mode of stat(2): kind of file and permissions. */
  readonly mode: number;
  /** What a symbolic link leads to; empty for others. */
  readonly linkTarget: string;
  /** Extended attributes by name, as in `security.capability`. */
  readonly attributes: ReadonlyMap<string, Uint8Array>;
  /** What is digested before the unpacked content. */
  readonly digested: Uint8Array;
}

/**
 * Returns what the header of a `.filez` object says. The file is a length (32 bits, big-endian), four zero bytes, a header of
 * type `(tuuuusa(ayay))` (size, owner, group, mode, device, symlink target, extended attributes), and the content as raw
 * deflate; what is digested is the same without the size, unpacked (ostree-core.c, `ostree_checksum_file_from_input` and
 * `_ostree_zlib_file_header_new`).
 * @throws Error when it is no header.
 */
function readHeader(header: Uint8Array): FilezHeader {
  const [size, ...fields] = asArray(decodeVariant('(tuuuusa(ayay))', header));
  const plain = encodeVariant('(uuuusa(ayay))', fields);
  const start = Buffer.alloc(8);
  start.writeUInt32BE(plain.length, 0);
  return {
    size: Number(swap64(asBigint(size))),
    mode: swap32(asNumber(fields[2])),
    linkTarget: asString(fields[4]),
    attributes: new Map(asArray(fields[5]).map(attributeOf)),
    digested: Buffer.concat([start, plain]),
  };
}

/** A name, which ends in a zero byte, and its value. */
function attributeOf(pair: VariantValue): [string, Uint8Array] {
  const [name, value] = asArray(pair).map(asBytes);
  return [
    Buffer.from(name ?? [])
      .toString('utf8')
      .replace(/\0$/, ''),
    value ?? new Uint8Array(),
  ];
}

/** A `.filez` object that was read whole. */
export interface FilezObject {
  readonly header: FilezHeader;
  readonly checksum: string;
  /** Size of the unpacked content, in bytes. */
  readonly bytes: number;
}

/** Reads a `.filez` object at hand; undefined when it is not one, is cut short, or its size is not what its header says. */
export function filezObject(object: Uint8Array): FilezObject | undefined {
  const found = unpacked(object, Number.POSITIVE_INFINITY);
  if (found === undefined) return undefined;
  const { header, content } = found;
  const checksum = createHash('sha256').update(header.digested).update(content).digest('hex');
  return { header, checksum, bytes: content.length };
}

/** Returns the unpacked content of a `.filez` object at hand; undefined when it is none, or is larger than `most` bytes. */
export function filezContent(object: Uint8Array, most: number): Buffer | undefined {
  return unpacked(object, most)?.content;
}

function unpacked(object: Uint8Array, most: number): { header: FilezHeader; content: Buffer } | undefined {
  try {
    const bytes = Buffer.from(object.buffer, object.byteOffset, object.byteLength);
    const length = bytes.readUInt32BE(0);
    if (length > MAX_HEADER || bytes.length < 8 + length) return undefined;
    const header = readHeader(bytes.subarray(8, 8 + length));
    if (header.size > most) return undefined;
    const packed = bytes.subarray(8 + length);
    // Symbolic links have no content.
    const content =
      packed.length === 0 ? Buffer.alloc(0) : inflateRawSync(packed, { maxOutputLength: Math.max(header.size, 1) });
    return content.length === header.size ? { header, content } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads a `.filez` object as a stream; undefined when the file is not such an object, is cut short, or holds more than its
 * header says.
 */
export async function filezFile(path: string): Promise<FilezObject | undefined> {
  const file = await open(path, 'r');
  try {
    const bytes = await headerBytes(file);
    if (bytes === undefined) return undefined;
    const header = readHeader(bytes);
    const start = 8 + bytes.length;
    const hash = createHash('sha256').update(header.digested);
    const { size } = await file.stat();
    let unpackedBytes = 0;
    if (size > start) {
      await pipeline(createReadStream(path, { start }), createInflateRaw(), async (unpacked) => {
        for await (const chunk of unpacked) {
          hash.update(chunk as Buffer);
          unpackedBytes += (chunk as Buffer).length;
          if (unpackedBytes > header.size) throw new TooMuch();
        }
      });
    }
    return { header, checksum: hash.digest('hex'), bytes: unpackedBytes };
  } catch (error) {
    if (error instanceof TooMuch) return undefined;
    // Not a header, or not deflated data: damaged. Faults of the disk go through.
    if (error instanceof Error && 'code' in error && !String(error.code).startsWith('Z_')) throw error;
    return undefined;
  } finally {
    await file.close();
  }
}

class TooMuch extends Error {}

/** Reads the header of a `.filez` object, without what follows it; undefined when the file has none. */
export async function filezHeader(path: string): Promise<FilezHeader | undefined> {
  const file = await open(path);
  try {
    const bytes = await headerBytes(file);
    return bytes && readHeader(bytes);
  } finally {
    await file.close();
  }
}

/** The bytes of a header, which its length stands before; undefined for a file that is shorter, or no such object. */
async function headerBytes(file: FileHandle): Promise<Buffer | undefined> {
  const prefix = Buffer.alloc(8);
  if ((await file.read(prefix, 0, 8, 0)).bytesRead < 8) return undefined;
  const length = prefix.readUInt32BE(0);
  if (length > MAX_HEADER) return undefined;
  const bytes = Buffer.alloc(length);
  return (await file.read(bytes, 0, length, 8)).bytesRead < length ? undefined : bytes;
}

/** Returns the checksum that a `.filez` object's content has; undefined when the file is not such an object, or is cut short. */
export async function filezChecksum(path: string): Promise<string | undefined> {
  return (await filezFile(path))?.checksum;
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
