import { HASH_BYTES, type Hash } from './merkle.ts';

/** Readers of what stands in the files of a log: each value has one spelling, and any other is refused. */

/** Returns the bytes of padded standard base64; undefined for any other spelling of them, and for what is none. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** Returns a hash from its base64. */
export function hashFromBase64(text: string): Hash | undefined {
  const bytes = fromBase64(text);
  return bytes?.length === HASH_BYTES ? bytes : undefined;
}

/** Returns a size or an index in decimal, without leading zeros, up to 2^53 - 1. */
export function sizeFromText(text: string): number | undefined {
  if (!/^(0|[1-9]\d{0,15})$/.test(text)) return undefined;
  const size = Number(text);
  return Number.isSafeInteger(size) ? size : undefined;
}

/** Returns the text of UTF-8 bytes as it is, a byte order mark included; undefined for bytes that are none. */
export function strictUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
