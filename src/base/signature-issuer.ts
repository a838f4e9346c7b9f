import { NightlyError } from './errors.ts';
import { signaturePackets } from './openpgp-packets.ts';

/** What a signature packet says of itself; nothing of it is verified. */
export interface SignatureAbout {
  /** Public-key algorithm and hash (RFC 4880 sections 9.1 and 9.4). */
  readonly algorithm: number;
  readonly hash: number;
  /** 16 hex digits, lower case; koji takes a signature that has exactly one, and files it under the last 8 of it. */
  readonly keyIds: readonly string[];
  /** Hex digits, lower case. */
  readonly fingerprints: readonly string[];
}

/** Subpackets (RFC 4880 section 5.2.3.1; RFC 9580 section 5.2.3.35). */
const [ISSUER, ISSUER_FINGERPRINT] = [16, 33];

/**
 * Reads who made a signature, from the signed and the unsigned part of a packet of version 4.
 * @param bytes one packet with its header; of several the first counts
 * @throws NightlyError `signing` for what is not such a packet.
 */
export function signatureAbout(bytes: Uint8Array): SignatureAbout {
  const [first = new Uint8Array()] = signaturePackets(bytes);
  const body = Buffer.from(first.subarray(headerLength(first)));
  const [version, , algorithm = 0, hash = 0] = body;
  if (version !== 4) throw unreadable(`it is of version ${version}, and RPM takes 4`);
  const hashed = area(body, 4);
  const unhashed = area(body, hashed.end);
  const found = [...subpackets(hashed.content), ...subpackets(unhashed.content)];
  return {
    algorithm,
    hash,
    keyIds: distinct(found.filter(({ type }) => type === ISSUER).map(({ content }) => content.toString('hex'))),
    // Behind the version of the key.
    fingerprints: distinct(
      found.filter(({ type }) => type === ISSUER_FINGERPRINT).map(({ content }) => content.subarray(1).toString('hex')),
    ),
  };
}

const distinct = (all: readonly string[]): string[] => [...new Set(all)];

/** The packet's length was checked when it was told apart from others. */
function headerLength([first = 0, second = 0]: Uint8Array): number {
  if ((first & 0x40) === 0) return [2, 3, 5, 1][first & 0x03] ?? 1;
  return second < 192 ? 2 : second < 224 ? 3 : 6;
}

function area(body: Buffer, at: number): { readonly content: Buffer; readonly end: number } {
  if (at + 2 > body.length) throw unreadable('it is cut short');
  const end = at + 2 + body.readUInt16BE(at);
  if (end > body.length) throw unreadable('it is cut short');
  return { content: body.subarray(at + 2, end), end };
}

function subpackets(content: Buffer): { readonly type: number; readonly content: Buffer }[] {
  const found: { type: number; content: Buffer }[] = [];
  for (let at = 0; at < content.length; ) {
    const { length, start } = subpacketLength(content, at);
    if (length === 0 || start + length > content.length) throw unreadable('a part of it is cut short');
    // The highest bit marks one that must be understood.
    found.push({ type: (content[start] ?? 0) & 0x7f, content: content.subarray(start + 1, start + length) });
    at = start + length;
  }
  return found;
}

function subpacketLength(content: Buffer, at: number): { readonly length: number; readonly start: number } {
  const first = content[at] ?? 0;
  if (first < 192) return { length: first, start: at + 1 };
  if (first < 255) return { length: ((first - 192) << 8) + (content[at + 1] ?? 0) + 192, start: at + 2 };
  if (at + 5 > content.length) throw unreadable('a part of it is cut short');
  return { length: content.readUInt32BE(at + 1), start: at + 5 };
}

function unreadable(why: string): NightlyError {
  return new NightlyError('signing', `This signature cannot be read: ${why}.`);
}
