import { type HeaderEntry, MAIN_LIMITS, parseHeader } from './header.ts';
import { MAIN_REGION } from './rpm-signature.ts';

/** Tags of the main header (rpm's rpmtag.h). */
export const TAG = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  arch: 1022,
  sourceRpm: 1044,
  /** Number 1 in a source package. */
  sourcePackage: 1106,
  payloadDigest: 5092,
  payloadDigestKind: 5093,
} as const;

/** Types of values (rpm's rpmtag.h). */
const TYPE = { char: 1, int8: 2, int16: 3, int32: 4, int64: 5, string: 6, binary: 7, strings: 8, i18n: 9 } as const;

/** Reads the entries of a main header, as `RpmStart` has its bytes. @throws NightlyError `verify` naming what is wrong. */
export function mainEntries(header: Buffer): readonly HeaderEntry[] {
  return parseHeader(header, MAIN_REGION, MAIN_LIMITS).entries;
}

/** Returns the texts of an entry; none for one of another type, or that there is not. */
export function textsOf(entry: HeaderEntry | undefined): string[] {
  const isText = entry?.type === TYPE.string || entry?.type === TYPE.strings || entry?.type === TYPE.i18n;
  return isText ? entry.data.toString('utf8').split('\0').slice(0, -1) : [];
}

/** Returns the numbers of an entry; none for one of another type, or that there is not. */
export function numbersOf(entry: HeaderEntry | undefined): bigint[] {
  if (entry === undefined) return [];
  const { type, count, data } = entry;
  const at = (index: number): bigint => {
    switch (type) {
      case TYPE.char:
      case TYPE.int8:
        return BigInt(data.readUInt8(index));
      case TYPE.int16:
        return BigInt(data.readUInt16BE(index * 2));
      case TYPE.int32:
        return BigInt(data.readUInt32BE(index * 4));
      default:
        return data.readBigUInt64BE(index * 8);
    }
  };
  const isNumber = type >= TYPE.char && type <= TYPE.int64;
  return isNumber ? Array.from({ length: count }, (_, index) => at(index)) : [];
}
