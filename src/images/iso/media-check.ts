import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';

/**
 * The checksum within an ISO that checkisomd5 and dracut's `rd.live.check` verify, in the form isomd5sum gives it
 * (https://github.com/rhinstaller/isomd5sum): an MD5 over the volume but its last 15 sectors, taken while the area of
 * 512 bytes it will stand in is blank, and three digits of each of 20 sums on the way, so that a check can stop early.
 */
const SECTOR_BYTES = 2048;
const DESCRIPTOR_AT = 16 * SECTOR_BYTES;
/** Within the descriptor: the number of sectors (big-endian), and the area for applications (ECMA-119, 8.4). */
const VOLUME_SECTORS = 84;
const APPLICATION_AREA = 883;
const APPLICATION_BYTES = 512;
const SKIPPED_SECTORS = 15;
const FRAGMENTS = 20;
const FRAGMENT_DIGITS = 3;
/** A sum on the way is taken at the end of the chunk in which its fragment ends: the size is part of the format. */
const CHUNK_BYTES = 16 * SECTOR_BYTES;

/**
 * Writes the checksum into a finished ISO; nothing may change in it afterwards.
 * @throws NightlyError `image` when the file is not an ISO 9660 image.
 */
export async function implantMediaCheck(iso: string): Promise<void> {
  const file = await open(iso, 'r+');
  try {
    const descriptor = Buffer.alloc(SECTOR_BYTES);
    await file.read(descriptor, 0, SECTOR_BYTES, DESCRIPTOR_AT);
    if (descriptor.toString('latin1', 0, 6) !== '\u0001CD001') {
      throw new NightlyError('image', `${iso} has no primary volume descriptor: it is not an ISO 9660 image.`);
    }
    const area = Buffer.alloc(APPLICATION_BYTES, ' ');
    await file.write(area, 0, area.length, DESCRIPTOR_AT + APPLICATION_AREA);
    const { sum, fragments } = await sums(
      file,
      (descriptor.readUInt32BE(VOLUME_SECTORS) - SKIPPED_SECTORS) * SECTOR_BYTES,
    );
    area.write(
      [
        `ISO MD5SUM = ${sum}`,
        `SKIPSECTORS = ${SKIPPED_SECTORS}`,
        'RHLISOSTATUS=1',
        `FRAGMENT SUMS = ${fragments}`,
        `FRAGMENT COUNT = ${FRAGMENTS}`,
        'THIS IS NOT THE SAME AS RUNNING MD5SUM ON THIS ISO!!',
      ].join(';'),
      'latin1',
    );
    await file.write(area, 0, area.length, DESCRIPTOR_AT + APPLICATION_AREA);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function sums(file: FileHandle, length: number): Promise<{ readonly sum: string; readonly fragments: string }> {
  const hash = createHash('md5');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const fragmentBytes = Math.floor(length / (FRAGMENTS + 1));
  let fragments = '';
  let previous = 0;
  for (let offset = 0; offset < length; offset += CHUNK_BYTES) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, length - offset), offset);
    hash.update(chunk.subarray(0, bytesRead));
    const current = Math.floor(offset / fragmentBytes);
    if (current !== previous) {
      // The first digit of each byte as C's %x prints it, without leading zeros.
      const digest = [...hash.copy().digest().subarray(0, FRAGMENT_DIGITS)];
      fragments += digest.map((byte) => byte.toString(16).charAt(0)).join('');
      previous = current;
    }
  }
  return { sum: hash.digest('hex'), fragments };
}
