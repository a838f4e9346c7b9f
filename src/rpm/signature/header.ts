import { NightlyError } from '../../base/errors.ts';

/** An entry of an RPM header. Its data is as it lies in the store: big-endian numbers, strings with their final NUL. */
export interface HeaderEntry {
  readonly tag: number;
  readonly type: number;
  /** Values; bytes for type 7. */
  readonly count: number;
  readonly data: Buffer;
}

/** Where a header ends, and what is in it. */
export interface Header {
  readonly entries: readonly HeaderEntry[];
  /** Bytes of it, without padding. */
  readonly size: number;
}

/** Limits of rpm 4.14 and newer for a header (lib/header.c, hdrblobInit): entries, and bytes of the store. */
export interface HeaderLimits {
  readonly entries: number;
  readonly bytes: number;
}

export const SIGNATURE_LIMITS: HeaderLimits = { entries: 32, bytes: 64 * 1024 * 1024 };
export const MAIN_LIMITS: HeaderLimits = { entries: 0xffff, bytes: 256 * 1024 * 1024 };

/** Magic number and version, and four reserved bytes. */
const MAGIC = Buffer.from('8eade80100000000', 'hex');
/** Bytes before the index: magic, number of entries, bytes of the store. */
export const INTRO_BYTES = 16;
const ENTRY_BYTES = 16;
const BINARY = 7;
/** Bytes of one value by type; strings (6, 8, 9) end with a NUL and are counted by that. */
const WIDTH: Readonly<Record<number, number>> = { 0: 0, 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, [BINARY]: 1 };
const STRINGS = [6, 8, 9];

/** Returns how many bytes a header is that begins with these 16. @throws NightlyError `verify` */
export function headerSize(intro: Buffer, limits: HeaderLimits): number {
  if (intro.length < INTRO_BYTES) throw fault('it ends within a header');
  if (!intro.subarray(0, 8).equals(MAGIC)) throw fault('where a header should begin there is none');
  const [entries, bytes] = [intro.readUInt32BE(8), intro.readUInt32BE(12)];
  if (entries === 0 || entries > limits.entries) throw fault(`a header says that it has ${entries} entries`);
  if (bytes > limits.bytes) throw fault(`a header says that it has ${bytes} bytes of data`);
  return INTRO_BYTES + entries * ENTRY_BYTES + bytes;
}

/**
 * Reads a header whose first entry is its region, as in every package since rpm 4.
 * @param region tag of that entry: 62 for the signature header, 63 for the main one
 * @throws NightlyError `verify` naming what is wrong.
 */
export function parseHeader(bytes: Buffer, region: number, limits: HeaderLimits): Header {
  const size = headerSize(bytes, limits);
  if (bytes.length < size) throw fault('it ends within a header');
  const count = bytes.readUInt32BE(8);
  const store = bytes.subarray(INTRO_BYTES + count * ENTRY_BYTES, size);
  const index = Array.from({ length: count }, (_, at) => {
    const from = INTRO_BYTES + at * ENTRY_BYTES;
    return {
      tag: bytes.readUInt32BE(from),
      type: bytes.readUInt32BE(from + 4),
      offset: bytes.readInt32BE(from + 8),
      count: bytes.readUInt32BE(from + 12),
    };
  });
  const [first, ...rest] = index;
  if (first?.tag !== region || first.type !== BINARY || first.count !== ENTRY_BYTES)
    throw fault(`a header does not begin with its region (tag ${region})`);
  if (first.offset < 0 || first.offset + ENTRY_BYTES > store.length) throw fault('the region of a header has no end');
  let end = 0;
  const entries = rest.map(({ tag, type, offset, count: values }) => {
    if (offset < 0 || offset > store.length) throw fault(`the data of tag ${tag} lies outside its header`);
    // As rpm reads them (lib/header.c, hdrblobVerifyInfo); so all of them together are no longer than the store.
    if (offset < end) throw fault(`the data of tag ${tag} lies within that of another`);
    const length = dataLength(store, tag, type, offset, values);
    end = offset + length;
    return { tag, type, count: values, data: store.subarray(offset, offset + length) };
  });
  return { entries, size };
}

function dataLength(store: Buffer, tag: number, type: number, offset: number, count: number): number {
  if (count === 0) throw fault(`tag ${tag} has no value`);
  const width = WIDTH[type];
  if (width !== undefined) {
    const length = width * count;
    if (offset + length > store.length) throw fault(`the data of tag ${tag} lies outside its header`);
    return length;
  }
  if (!STRINGS.includes(type)) throw fault(`tag ${tag} is of the unknown type ${type}`);
  let end = offset;
  for (let left = count; left > 0; left -= 1) {
    const nul = store.indexOf(0, end);
    if (nul < 0) throw fault(`the text of tag ${tag} has no end`);
    end = nul + 1;
  }
  return end - offset;
}

/**
 * Writes a header as rpm does after it changed one (headerReload): entries by tag, the data in the same order, each aligned
 * to its type, the region around all of it.
 */
export function formatHeader(entries: readonly HeaderEntry[], region: number): Buffer {
  const sorted = [...entries].sort((a, b) => a.tag - b.tag);
  const pieces: Buffer[] = [];
  let length = 0;
  const index = Buffer.alloc((sorted.length + 1) * ENTRY_BYTES);
  for (const [at, { tag, type, count, data }] of sorted.entries()) {
    const padding = -length & ((WIDTH[type] || 1) - 1);
    pieces.push(Buffer.alloc(padding), data);
    writeEntry(index, at + 1, [tag, type, length + padding, count]);
    length += padding + data.length;
  }
  writeEntry(index, 0, [region, BINARY, length, ENTRY_BYTES]);
  const trailer = Buffer.alloc(ENTRY_BYTES);
  writeEntry(trailer, 0, [region, BINARY, -index.length, ENTRY_BYTES]);
  const intro = Buffer.alloc(INTRO_BYTES);
  MAGIC.copy(intro);
  intro.writeUInt32BE(sorted.length + 1, 8);
  intro.writeUInt32BE(length + ENTRY_BYTES, 12);
  return Buffer.concat([intro, index, ...pieces, trailer]);
}

function writeEntry(into: Buffer, at: number, [tag, type, offset, count]: [number, number, number, number]): void {
  into.writeUInt32BE(tag, at * ENTRY_BYTES);
  into.writeUInt32BE(type, at * ENTRY_BYTES + 4);
  into.writeInt32BE(offset, at * ENTRY_BYTES + 8);
  into.writeUInt32BE(count, at * ENTRY_BYTES + 12);
}

/** A fault of a package's bytes; whoever reads the file names it. */
export const fault = (what: string): NightlyError => new NightlyError('verify', what);
