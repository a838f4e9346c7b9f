import { NightlyError } from './errors.ts';

/** Tag of a signature packet (RFC 4880 section 4.3). */
const SIGNATURE = 2;

const BEGIN = '-----BEGIN PGP ';

/**
 * Returns the signature packets of a binary detached signature, each with its header, byte for byte (RFC 4880 section
 * 4.2).
 * @throws NightlyError `signing` when the bytes are anything else.
 */
export function signaturePackets(bytes: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { tag, start, length } = header(bytes, at);
    const end = start + length;
    if (tag !== SIGNATURE || end > bytes.length) throw notASignature();
    packets.push(bytes.subarray(at, end));
    at = end;
  }
  if (packets.length === 0) throw notASignature();
  return packets;
}

/**
 * Returns the public-key algorithm of a signature packet (RFC 4880 sections 5.2.3 and 9.1).
 * @throws NightlyError `signing` for a version that is not 4: what RPM and OSTree take.
 */
export function signatureAlgorithm(packet: Uint8Array): number {
  const [version, , algorithm = 0] = packet.subarray(header(packet, 0).start);
  if (version === 4) return algorithm;
  throw new NightlyError('signing', `This is an OpenPGP signature of version ${version}, which RPM does not take.`, {
    hint: 'Sign with a key of version 4: gpg makes one by default.',
  });
}

/** Returns the signature packets of an armored or binary detached signature; none of what is not one. */
export function signaturePacketsIn(signature: Uint8Array | undefined): Uint8Array[] {
  try {
    return signature ? signaturePackets(dearmored(signature)) : [];
  } catch {
    return [];
  }
}

function header(
  bytes: Uint8Array,
  at: number,
): { readonly tag: number; readonly start: number; readonly length: number } {
  const [first = 0, a = 0, b = 0, c = 0, d = 0, e = 0] = bytes.subarray(at, at + 6);
  if ((first & 0x80) === 0) throw notASignature();
  if ((first & 0x40) !== 0) {
    const tag = first & 0x3f;
    if (a < 192) return { tag, start: at + 2, length: a };
    if (a < 224) return { tag, start: at + 3, length: (a - 192) * 256 + b + 192 };
    if (a === 255) return { tag, start: at + 6, length: number(b, c, d, e) };
    throw notASignature();
  }
  const tag = (first >> 2) & 0x0f;
  switch (first & 0x03) {
    case 0:
      return { tag, start: at + 2, length: a };
    case 1:
      return { tag, start: at + 3, length: number(a, b) };
    case 2:
      return { tag, start: at + 5, length: number(a, b, c, d) };
    default:
      throw notASignature();
  }
}

const number = (...bytes: readonly number[]): number => bytes.reduce((sum, byte) => sum * 256 + byte, 0);

function notASignature(): NightlyError {
  return new NightlyError('signing', 'These bytes are not an OpenPGP signature.');
}

/** A detached signature as text, for a `.asc` file. */
export const armoredSignature = (signature: Uint8Array): string => armored('SIGNATURE', signature);

/** Public keys, binary, as text that people and programs take. */
export const armoredKey = (publicKey: Uint8Array): string => armored('PUBLIC KEY BLOCK', publicKey);

/** RFC 4880 section 6.2. */
function armored(kind: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  const checksum = Buffer.alloc(3);
  checksum.writeUIntBE(crc24(bytes), 0, 3);
  const body = [...lines, `=${checksum.toString('base64')}`].join('\n');
  return `${BEGIN}${kind}-----\n\n${body}\n-----END PGP ${kind}-----\n`;
}

/** Returns what an armored block holds; bytes that are not armored are given back as they are. */
export function dearmored(bytes: Uint8Array): Uint8Array {
  // Every binary packet begins with this bit.
  if (((bytes[0] ?? 0) & 0x80) !== 0) return bytes;
  const text = Buffer.from(bytes).toString('latin1');
  const begin = text.indexOf(BEGIN);
  if (begin < 0) return bytes;
  const [, ...lines] = text.slice(begin).split(/\r?\n/);
  const blank = lines.findIndex((line) => line.trim() === '');
  const data = lines.slice(blank + 1);
  const end = data.findIndex((line) => line.startsWith('=') || line.startsWith('-----'));
  return new Uint8Array(Buffer.from(data.slice(0, end < 0 ? undefined : end).join(''), 'base64'));
}

/** RFC 4880 section 6.1. */
function crc24(bytes: Uint8Array): number {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) {
      crc <<= 1;
      if ((crc & 0x1000000) !== 0) crc ^= 0x1864cfb;
    }
  }
  return crc & 0xffffff;
}
