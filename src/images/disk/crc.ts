/** CRC-32 as GPT uses it (IEEE 802.3): initial value and final exclusive or are all ones. */
export function crc32(bytes: Uint8Array): number {
  return ~update(IEEE, 0xffffffff, bytes) >>> 0;
}

/** CRC-32C as ext4 uses it (Castagnoli): runs on from `seed`, without the final exclusive or. */
export function crc32c(seed: number, bytes: Uint8Array): number {
  return update(CASTAGNOLI, seed, bytes) >>> 0;
}

const IEEE = table(0xedb88320);
const CASTAGNOLI = table(0x82f63b78);

function table(polynomial: number): Uint32Array {
  const entries = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    entries[byte] = value;
  }
  return entries;
}

function update(entries: Uint32Array, start: number, bytes: Uint8Array): number {
  let value = start;
  for (const byte of bytes) value = (entries[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return value;
}
