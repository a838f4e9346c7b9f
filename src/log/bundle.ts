import { type LogPlace, logFault } from './log-fault.ts';
import { TILE_WIDTH } from './tile-math.ts';

/** Entries of a log, one behind another, each after its length in two bytes, big-endian (`tile/entries/N`). */

/** Returns entries as a bundle. @throws RangeError for one that is too long */
export function formatBundle(entries: readonly Uint8Array[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    return [length, entry];
  });
  return Buffer.concat(parts);
}

/**
 * Returns the first entries of a bundle, which may have more: a full one stands in for a part that is gone.
 * @throws NightlyError `log` when it has fewer, or ends within one.
 */
export function parseBundle(bytes: Uint8Array, width: number, place: LogPlace): Buffer[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Buffer[] = [];
  let at = 0;
  while (at < buffer.length) {
    if (at + 2 > buffer.length) throw logFault(place, 'This bundle of entries ends within the length of one.');
    const end = at + 2 + buffer.readUInt16BE(at);
    if (end > buffer.length) throw logFault(place, `This bundle of entries ends within entry ${entries.length} of it.`);
    entries.push(buffer.subarray(at + 2, end));
    at = end;
  }
  if (entries.length === width || (entries.length === TILE_WIDTH && width < TILE_WIDTH)) return entries.slice(0, width);
  throw logFault(place, `This bundle has ${entries.length} entries instead of ${width}.`);
}
