import { readFile, writeFile } from 'node:fs/promises';

/** Tags of the signature header that hold OpenPGP signatures: over the header, and over header and payload. */
const SIGNATURE_TAGS = [267, 268, 1002, 1005];

/**
 * Changes one byte in each signature of an RPM file, and nothing of what they sign. The signature header follows a lead of 96
 * bytes: 8 bytes of magic, numbers of entries and of data bytes, entries of 16 bytes (tag, type, offset, count), data
 * (docs/manual/format_v4.md of rpm).
 */
export async function breakSignature(path: string): Promise<void> {
  const bytes = await readFile(path);
  const entries = bytes.readUInt32BE(104);
  const data = 112 + entries * 16;
  for (let index = 0; index < entries; index += 1) {
    const at = 112 + index * 16;
    const [tag, offset, count] = [0, 8, 12].map((field) => bytes.readUInt32BE(at + field));
    if (tag === undefined || offset === undefined || count === undefined || !SIGNATURE_TAGS.includes(tag)) continue;
    const place = data + offset + count - 3;
    bytes.writeUInt8(bytes.readUInt8(place) ^ 0xff, place);
  }
  await writeFile(path, bytes);
}
