import { createHash } from 'node:crypto';

/** Everything that is random in an ordinary image comes from here, so that the same commit gives the same image (I10). */
export interface IdSeed {
  readonly commit: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
}

/** Returns a UUID (version 8, RFC 9562: content chosen by the maker) for one purpose, in lower case. */
export function derivedUuid(seed: IdSeed, purpose: string): string {
  const bytes = derivedBytes(seed, purpose).subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Eight hexadecimal digits, a FAT volume id. */
export function derivedVolumeId(seed: IdSeed, purpose: string): string {
  return derivedBytes(seed, purpose).toString('hex').slice(0, 8);
}

function derivedBytes(seed: IdSeed, purpose: string): Buffer {
  return createHash('sha256').update(`${seed.commit}\n${seed.timestamp}\n${purpose}\n`).digest();
}
