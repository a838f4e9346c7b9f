import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { Key, Subkey } from 'openpgp';
import { z } from 'zod';

type KeyPacket = Key['keyPacket'] | Subkey['keyPacket'];

/** Numbers of an RSA key as openpgp.js keeps them, big-endian; `u` is the inverse of p modulo q. */
const bytes = z.instanceof(Uint8Array);
const privateNumbers = z.object({
  publicParams: z.object({ n: bytes, e: bytes }),
  privateParams: z.object({ d: bytes, p: bytes, q: bytes, u: bytes }),
});

/** RFC 4880 sections 5.2.1, 9.1 and 9.4: a signature of a binary document, RSA, SHA-512. */
const [BINARY, RSA, SHA512] = [0x00, 1, 10];
/** Subpackets (RFC 4880 section 5.2.3.1; RFC 9580 section 5.2.3.35). */
const [ISSUER, ISSUER_FINGERPRINT] = [16, 33];
/** Marked as critical. */
const CREATION_TIME = 0x80 | 2;

const signAsync = promisify((data: Buffer, key: KeyObject, done: (error: Error | null, signature: Buffer) => void) =>
  sign('sha512', data, key, done),
);

/**
 * Returns what makes detached signatures with an RSA key of version 4, the very bytes that openpgp.js makes. That gives the key to the
 * system's library anew for each signature, which takes a third of the time again; here it is given once. The work is done beside this
 * thread, so several signatures at the same time use several cores.
 * @returns undefined for a key of another kind, and for one whose private half is not there or locked
 */
export function rsaPacketSigner(
  keyPacket: KeyPacket,
): ((what: Uint8Array, at: Date) => Promise<Uint8Array>) | undefined {
  if (keyPacket.version !== 4 || Number(keyPacket.algorithm) !== RSA) return undefined;
  const numbers = privateNumbers.safeParse(keyPacket).data;
  if (!numbers) return undefined;
  const key = keyOf(numbers);
  const fingerprint = Buffer.from(keyPacket.getFingerprint(), 'hex');
  const issuer = [
    subpacket(ISSUER, Buffer.from(keyPacket.getKeyID().toHex(), 'hex')),
    subpacket(ISSUER_FINGERPRINT, Buffer.concat([Buffer.from([4]), fingerprint])),
  ];
  return async (what, at) => {
    const time = Buffer.alloc(4);
    time.writeUInt32BE(Math.floor(at.getTime() / 1000));
    const hashed = withLength(Buffer.concat([subpacket(CREATION_TIME, time), ...issuer]));
    const start = Buffer.concat([Buffer.from([4, BINARY, RSA, SHA512]), hashed]);
    const trailer = Buffer.from([4, 0xff, 0, 0, 0, 0]);
    trailer.writeUInt32BE(start.length, 2);
    const signed = Buffer.concat([what, start, trailer]);
    const check = createHash('sha512').update(signed).digest().subarray(0, 2);
    return packet(
      Buffer.concat([start, withLength(Buffer.alloc(0)), check, multiprecision(await signAsync(signed, key))]),
    );
  };
}

function keyOf({ publicParams: { n, e }, privateParams: { d, p, q, u } }: z.output<typeof privateNumbers>): KeyObject {
  const exponent = (prime: Uint8Array): Buffer => bytesOf(numberOf(d) % (numberOf(prime) - 1n));
  const text = (number: Uint8Array): string => Buffer.from(number).toString('base64url');
  // A JWK has the inverse of its second prime modulo its first.
  const [first, second] = [q, p];
  const primes = {
    p: text(first),
    q: text(second),
    dp: text(exponent(first)),
    dq: text(exponent(second)),
    qi: text(u),
  };
  return createPrivateKey({ key: { kty: 'RSA', n: text(n), e: text(e), d: text(d), ...primes }, format: 'jwk' });
}

const numberOf = (number: Uint8Array): bigint => BigInt(`0x${Buffer.from(number).toString('hex')}`);

function bytesOf(number: bigint): Buffer {
  const hex = number.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
}

/** RFC 4880 section 5.2.3.1; none here is as long as 192 bytes. */
const subpacket = (type: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([content.length + 1, type]), content]);

function withLength(content: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(content.length);
  return Buffer.concat([length, content]);
}

/** RFC 4880 section 3.2: the length in bits, and the number without leading zeros. */
function multiprecision(number: Buffer): Buffer {
  const first = number.findIndex((byte) => byte !== 0);
  const significant = number.subarray(first);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(significant.length * 8 - (Math.clz32(significant[0] ?? 0) - 24));
  return Buffer.concat([length, significant]);
}

/** RFC 4880 section 4.2.2: a signature packet, whose length is below 8,384 bytes. */
function packet(content: Buffer): Uint8Array {
  const { length } = content;
  const head = length < 192 ? [0xc2, length] : [0xc2, ((length - 192) >> 8) + 192, (length - 192) & 0xff];
  return new Uint8Array(Buffer.concat([Buffer.from(head), content]));
}
