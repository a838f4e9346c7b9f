import { type FileHandle, open } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';
import {
  fault,
  type HeaderEntry,
  type HeaderLimits,
  headerSize,
  INTRO_BYTES,
  MAIN_LIMITS,
  parseHeader,
  SIGNATURE_LIMITS,
} from './header.ts';

/** Region tags of an RPM's two headers (rpm's rpmtag.h). */
export const SIGNATURE_REGION = 62;
export const MAIN_REGION = 63;

/** Tags of the signature header (rpm's rpmtag.h). */
export const SIGTAG = {
  /** Signature over the main header: DSA, ECDSA or EdDSA. */
  dsaHeader: 267,
  /** Signature over the main header: RSA. */
  rsaHeader: 268,
  /** rpm 6: base64 texts, several. */
  openpgp: 278,
  /** RSA and DSA over header and payload, as rpm before 4.14 needs them. */
  pgp: 1002,
  gpg: 1005,
  /** What rpmbuild leaves for signatures, so that a file keeps its length. */
  reservedSpace: 1008,
} as const;

/** Tag of the payload's digest in the main header: with it a signature over the header covers the payload. */
const PAYLOAD_DIGEST = 5092;
const BUILD_TIME = 1006;
const LEAD_BYTES = 96;
const LEAD_MAGIC = Buffer.from('edabeedb', 'hex');

/** The part of an RPM file that is before its payload. */
export interface RpmStart {
  /** First bytes of the file, which say nothing that rpm still reads. */
  readonly lead: Buffer;
  readonly signature: readonly HeaderEntry[];
  /** Bytes of the signature header without its padding. */
  readonly signatureSize: number;
  /** The main header as it lies in the file: what a header signature is over. */
  readonly header: Buffer;
  /** Whether the header names the payload's digest. */
  readonly coversPayload: boolean;
  /** When the package was built, in seconds since the epoch; 0 where it does not say. */
  readonly buildTime: number;
}

/** A signature that a package has. */
export interface RpmSignature {
  readonly tag: keyof typeof SIGTAG;
  /** Binary OpenPGP packet. */
  readonly packet: Uint8Array;
}

/**
 * Reads the headers of an RPM file.
 * @throws NightlyError `verify` naming file and fault.
 */
export async function readRpmStart(path: string): Promise<RpmStart> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const read = await reader(file, size);
    const lead = await read(0, LEAD_BYTES);
    if (!lead.subarray(0, 4).equals(LEAD_MAGIC)) throw fault('it does not begin as an RPM package does');
    const signature = await headerAt(read, LEAD_BYTES, SIGNATURE_LIMITS);
    const parsed = parseHeader(signature, SIGNATURE_REGION, SIGNATURE_LIMITS);
    const header = await headerAt(read, LEAD_BYTES + padded(parsed.size), MAIN_LIMITS);
    const main = parseHeader(header, MAIN_REGION, MAIN_LIMITS);
    return {
      ...{ lead, signature: parsed.entries, signatureSize: parsed.size, header },
      coversPayload: main.entries.some(({ tag }) => tag === PAYLOAD_DIGEST),
      buildTime: number32(main.entries.find(({ tag }) => tag === BUILD_TIME)),
    };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    throw new NightlyError('verify', `${path} is not an RPM package that can be read: ${error.message}.`, {
      hint: 'It is cut short or damaged: fetch it again, or build it again.',
    });
  } finally {
    await file.close();
  }
}

/** The first number of an entry of 32-bit numbers. */
const number32 = (entry: HeaderEntry | undefined): number =>
  entry?.type === 4 && entry.data.length >= 4 ? entry.data.readUInt32BE(0) : 0;

/** Bytes of a signature header with its padding: the main header begins at a multiple of eight. */
export const padded = (size: number): number => size + (-size & 7);

type Read = (from: number, length: number) => Promise<Buffer>;

/** Most headers end before it: one read of the file instead of five, which counts for thousands of packages. */
const AT_ONCE = 64 * 1024;

async function reader(file: FileHandle, size: number): Promise<Read> {
  const start = Buffer.alloc(Math.min(size, AT_ONCE));
  const { bytesRead: known } = await file.read(start, 0, start.length, 0);
  return async (from, length) => {
    // Before memory is taken for what a header only announces.
    if (from + length > size) throw fault('it ends within a header');
    if (from + length <= known) return start.subarray(from, from + length);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, from);
    if (bytesRead < length) throw fault('it ends within a header');
    return buffer;
  };
}

async function headerAt(read: Read, from: number, limits: HeaderLimits): Promise<Buffer> {
  return read(from, headerSize(await read(from, INTRO_BYTES), limits));
}

/**
 * Returns the signatures of a package, as its signature header has them. Those of rpm 6 (tag 278) are told, but tools of
 * CentOS 7 to 10 do not read them: a package that has nothing else counts as unsigned.
 */
export function signaturesOf({ signature }: Pick<RpmStart, 'signature'>): RpmSignature[] {
  return signature.flatMap(({ tag, data }): RpmSignature[] => {
    switch (tag) {
      case SIGTAG.rsaHeader:
        return [{ tag: 'rsaHeader', packet: data }];
      case SIGTAG.dsaHeader:
        return [{ tag: 'dsaHeader', packet: data }];
      case SIGTAG.pgp:
        return [{ tag: 'pgp', packet: data }];
      case SIGTAG.gpg:
        return [{ tag: 'gpg', packet: data }];
      case SIGTAG.openpgp:
        return texts(data).map((text) => ({ tag: 'openpgp', packet: Buffer.from(text, 'base64') }));
      default:
        return [];
    }
  });
}

const texts = (data: Buffer): string[] => data.toString('latin1').split('\0').filter(Boolean);
