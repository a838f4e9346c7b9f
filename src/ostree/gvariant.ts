import { align, isType, parseType, type VariantType } from './gvariant-type.ts';

/**
 * A decoded GVariant: y n q i u h d as number, x and t as bigint, b as boolean, s o g as string, `ay` as bytes, other
 * arrays and tuples and dictionary entries as arrays, a missing maybe as null, a present one as an array of one.
 */
export type VariantValue = number | bigint | boolean | string | Uint8Array | null | Variant | readonly VariantValue[];

/** A value with its type, as `v` holds it. */
export interface Variant {
  readonly type: string;
  readonly value: VariantValue;
}

/** How far values may be nested; deeper data is hostile, not OSTree's. */
const MAX_DEPTH = 64;

/**
 * Decodes the little-endian serialisation of a value of that type. Integers that OSTree stores in network order come
 * out byte-swapped: see `swap64`.
 * @throws Error when the bytes are not such a value.
 */
export function decodeVariant(type: string, bytes: Uint8Array): VariantValue {
  return decode(parseType(type), bytes, 0);
}

/** Encodes a value the way GLib does, so that equal values give equal bytes. @throws Error when it is not of that type. */
export function encodeVariant(type: string, value: VariantValue): Uint8Array {
  return encode(parseType(type), value);
}

/** Reverses the bytes of a 64-bit number, which comes out unsigned: OSTree keeps all numbers big-endian. */
export function swap64(value: bigint): bigint {
  return Buffer.from(new BigUint64Array([BigInt.asUintN(64, value)]).buffer).readBigUInt64BE();
}

/** Reverses the bytes of a 32-bit number, which comes out unsigned. */
export function swap32(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

/** Returns the entries of a decoded `a{sv}` by key. @throws Error for a value of another type */
export function variantMap(value: VariantValue): Map<string, Variant> {
  const map = new Map<string, Variant>();
  for (const entry of asArray(value)) {
    const [key, variant] = asArray(entry);
    map.set(asString(key), asVariant(variant));
  }
  return map;
}

/** Returns the value of an array, a tuple or a dictionary entry. @throws Error for a value of another type */
export function asArray(value: VariantValue | undefined): readonly VariantValue[] {
  if (!Array.isArray(value)) throw new Error('A GVariant array or tuple was expected.');
  return value;
}

/** Returns the value of a string. @throws Error for a value of another type */
export function asString(value: VariantValue | undefined): string {
  if (typeof value !== 'string') throw new Error('A GVariant string was expected.');
  return value;
}

/** Returns the value of `ay`. @throws Error for a value of another type */
export function asBytes(value: VariantValue | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Error('GVariant bytes were expected.');
  return value;
}

/** Returns the value of a number of up to 32 bits, or a double. @throws Error for a value of another type */
export function asNumber(value: VariantValue | undefined): number {
  if (typeof value !== 'number') throw new Error('A GVariant number was expected.');
  return value;
}

/** Returns the value of a 64-bit number. @throws Error for a value of another type */
export function asBigint(value: VariantValue | undefined): bigint {
  if (typeof value !== 'bigint') throw new Error('A 64-bit GVariant number was expected.');
  return value;
}

/** Returns the value of a `v`. @throws Error for a value of another type */
export function asVariant(value: VariantValue | undefined): Variant {
  if (typeof value !== 'object' || value === null || !('type' in value)) throw new Error('A GVariant was expected.');
  return value;
}

function decode(type: VariantType, bytes: Uint8Array, depth: number): VariantValue {
  if (depth > MAX_DEPTH) throw new Error('The GVariant is nested too deeply.');
  if (type.fixedSize !== undefined && bytes.length !== type.fixedSize) {
    throw new Error(`A GVariant ${type.text} has ${type.fixedSize} bytes, not ${bytes.length}.`);
  }
  switch (type.kind) {
    case 'basic':
      return decodeBasic(type.text, bytes);
    case 'string':
      return decodeString(bytes);
    case 'variant':
      return decodeInner(bytes, depth);
    case 'maybe':
      return decodeMaybe(member(type, 0), bytes, depth);
    case 'array':
      return type.text === 'ay' ? new Uint8Array(bytes) : decodeArray(member(type, 0), bytes, depth);
    case 'tuple':
      return decodeTuple(type, bytes, depth);
  }
}

function decodeBasic(letter: string, bytes: Uint8Array): VariantValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (letter) {
    case 'y':
      return view.getUint8(0);
    case 'b':
      return view.getUint8(0) !== 0;
    case 'n':
      return view.getInt16(0, true);
    case 'q':
      return view.getUint16(0, true);
    case 'i':
    case 'h':
      return view.getInt32(0, true);
    case 'u':
      return view.getUint32(0, true);
    case 'x':
      return view.getBigInt64(0, true);
    case 't':
      return view.getBigUint64(0, true);
    default:
      return view.getFloat64(0, true);
  }
}

function decodeString(bytes: Uint8Array): string {
  if (bytes.at(-1) !== 0) throw new Error('A GVariant string does not end with a zero byte.');
  // A zero byte inside would end the string for everybody else who reads it.
  if (bytes.indexOf(0) !== bytes.length - 1) throw new Error('A GVariant string has a zero byte inside.');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, -1));
  } catch (error) {
    throw new Error('A GVariant string is not UTF-8.', { cause: error });
  }
}

/** Value, a zero byte, type string. */
function decodeInner(bytes: Uint8Array, depth: number): Variant {
  const zero = bytes.lastIndexOf(0);
  const type = new TextDecoder('latin1').decode(bytes.subarray(zero + 1));
  if (zero < 0 || !isType(type)) throw new Error('A GVariant of type v holds no type.');
  return { type, value: decode(parseType(type), bytes.subarray(0, zero), depth + 1) };
}

function decodeMaybe(element: VariantType, bytes: Uint8Array, depth: number): VariantValue {
  if (bytes.length === 0) return null;
  // A value without a fixed size is followed by a zero byte, to tell an empty one from none.
  const inner = element.fixedSize === undefined ? bytes.subarray(0, -1) : bytes;
  return [decode(element, inner, depth + 1)];
}

function decodeArray(element: VariantType, bytes: Uint8Array, depth: number): VariantValue[] {
  const { fixedSize, alignment } = element;
  if (bytes.length === 0) return [];
  if (fixedSize !== undefined) {
    if (bytes.length % fixedSize !== 0) throw new Error(`A GVariant a${element.text} has a part of an element.`);
    return Array.from({ length: bytes.length / fixedSize }, (_, index) =>
      decode(element, bytes.subarray(index * fixedSize, (index + 1) * fixedSize), depth + 1),
    );
  }
  // The ends of all elements stand behind them; the last of these says where they begin.
  const width = offsetWidth(bytes.length);
  const table = readOffset(bytes, bytes.length - width, width);
  const count = (bytes.length - table) / width;
  if (!Number.isInteger(count) || count < 1) throw new Error('A GVariant array has a broken table of offsets.');
  const values: VariantValue[] = [];
  let start = 0;
  for (let index = 0; index < count; index += 1) {
    const end = readOffset(bytes, table + index * width, width);
    values.push(decode(element, slice(bytes, align(start, alignment), end, table), depth + 1));
    start = end;
  }
  return values;
}

function decodeTuple(type: VariantType, bytes: Uint8Array, depth: number): VariantValue[] {
  const width = offsetWidth(bytes.length);
  let table = bytes.length;
  let at = 0;
  return type.members.map((element, index) => {
    const start = align(at, element.alignment);
    if (element.fixedSize !== undefined) at = start + element.fixedSize;
    else if (index === type.members.length - 1) at = table;
    else {
      // The ends of members without a fixed size stand at the very end, last member first.
      table -= width;
      at = readOffset(bytes, table, width);
    }
    return decode(element, slice(bytes, start, at, table), depth + 1);
  });
}

function slice(bytes: Uint8Array, start: number, end: number, limit: number): Uint8Array {
  // An empty last element may be preceded by padding that is not there.
  if (start > end || end > limit) throw new Error('A GVariant has an offset outside its container.');
  return bytes.subarray(start, end);
}

function offsetWidth(size: number): 1 | 2 | 4 | 8 {
  if (size <= 0xff) return 1;
  if (size <= 0xffff) return 2;
  return size <= 0xffff_ffff ? 4 : 8;
}

function readOffset(bytes: Uint8Array, at: number, width: number): number {
  if (at < 0 || at + width > bytes.length) throw new Error('A GVariant is shorter than its table of offsets.');
  let offset = 0;
  for (let index = width - 1; index >= 0; index -= 1) offset = offset * 256 + (bytes[at + index] ?? 0);
  return offset;
}

function encode(type: VariantType, value: VariantValue): Uint8Array {
  switch (type.kind) {
    case 'basic':
      return encodeBasic(type.text, value);
    case 'string':
      return Buffer.from(`${asString(value)}\0`);
    case 'variant': {
      const inner = asVariant(value);
      return Buffer.concat([encode(parseType(inner.type), inner.value), Buffer.from(`\0${inner.type}`)]);
    }
    case 'maybe': {
      if (value === null) return new Uint8Array();
      const element = member(type, 0);
      const [present] = asArray(value);
      const inner = encode(element, present ?? null);
      return element.fixedSize === undefined ? Buffer.concat([inner, new Uint8Array(1)]) : inner;
    }
    case 'array': {
      if (type.text === 'ay') return asBytes(value);
      const element = member(type, 0);
      return container(
        asArray(value).map((item) => ({ type: element, bytes: encode(element, item) })),
        'array',
        1,
      );
    }
    case 'tuple': {
      const values = asArray(value);
      if (values.length !== type.members.length)
        throw new Error(`${values.length} values for the GVariant ${type.text}.`);
      const parts = type.members.map((element, index) => ({
        type: element,
        bytes: encode(element, values[index] ?? null),
      }));
      const bytes = container(parts, 'tuple', type.fixedSize === undefined ? 1 : type.alignment);
      return parts.length === 0 ? new Uint8Array(1) : bytes;
    }
  }
}

function encodeBasic(letter: string, value: VariantValue): Uint8Array {
  const size = parseType(letter).fixedSize ?? 0;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (letter === 'b' && typeof value === 'boolean') view.setUint8(0, Number(value));
  else if (letter === 'd' && typeof value === 'number') view.setFloat64(0, value, true);
  else if (size === 8 && typeof value === 'bigint') view.setBigUint64(0, BigInt.asUintN(64, value), true);
  else if (size === 4 && typeof value === 'number') view.setUint32(0, value >>> 0, true);
  else if (size === 2 && typeof value === 'number') view.setUint16(0, value & 0xffff, true);
  else if (letter === 'y' && typeof value === 'number') view.setUint8(0, value);
  else throw new Error(`A ${typeof value} is no GVariant ${letter}.`);
  return bytes;
}

interface Part {
  readonly type: VariantType;
  readonly bytes: Uint8Array;
}

/** Joins parts with padding, and behind them the ends of those without a fixed size. */
function container(parts: readonly Part[], kind: 'array' | 'tuple', finalAlignment: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  const ends: number[] = [];
  let size = 0;
  const pad = (alignment: number): void => {
    const padding = align(size, alignment) - size;
    if (padding > 0) chunks.push(new Uint8Array(padding));
    size += padding;
  };
  parts.forEach(({ type, bytes }, index) => {
    pad(type.alignment);
    chunks.push(bytes);
    size += bytes.length;
    const implied = kind === 'tuple' && index === parts.length - 1;
    if (type.fixedSize === undefined && !implied) ends.push(size);
  });
  pad(finalAlignment);
  if (kind === 'tuple') ends.reverse();
  const width = ([1, 2, 4, 8] as const).find((bytes) => offsetWidth(size + ends.length * bytes) <= bytes) ?? 8;
  for (const end of ends) {
    const offset = new Uint8Array(8);
    new DataView(offset.buffer).setBigUint64(0, BigInt(end), true);
    chunks.push(offset.subarray(0, width));
  }
  return Buffer.concat(chunks);
}

function member(type: VariantType, index: number): VariantType {
  const found = type.members[index];
  if (!found) throw new Error(`The GVariant type ${type.text} has no member ${index}.`);
  return found;
}
