import { open } from 'node:fs/promises';
import type { Task } from '../../base/task.ts';
import { pathAt } from '../../programs/debugfs.ts';
import { readGpt, SECTOR_BYTES } from '../disk/gpt.ts';

export interface Hit {
  readonly text: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
}

const CHUNK_BYTES = 8 * 1024 * 1024;

/**
 * Returns the first place of each string in the given parts of a file. A string that lies across two parts is not
 * found; parts are whole blocks of file systems, and a small file is never split over distant blocks.
 */
export async function findString(
  path: string,
  extents: readonly { readonly start: number; readonly length: number }[],
  texts: readonly string[],
): Promise<Hit[]> {
  const needles = texts.filter((text) => text !== '').map((text) => ({ text, bytes: Buffer.from(text, 'utf8') }));
  const overlap = Math.max(0, ...needles.map(({ bytes }) => bytes.length - 1));
  const hits = new Map<string, Hit>();
  const file = await open(path, 'r');
  const chunk = Buffer.alloc(CHUNK_BYTES + overlap);
  try {
    for (const extent of extents) {
      for (let done = 0; done < extent.length; done += CHUNK_BYTES) {
        const offset = extent.start + done;
        const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, extent.length - done), offset);
        const bytes = chunk.subarray(0, bytesRead);
        for (const { text, bytes: needle } of needles) {
          const at = hits.has(text) ? -1 : bytes.indexOf(needle);
          if (at >= 0) hits.set(text, { text, offset: offset + at });
        }
      }
    }
  } finally {
    await file.close();
  }
  return [...hits.values()];
}

/** Names the file a byte of the disk belongs to: `/etc/hosts of partition root`. */
export async function placeOfString(raw: string, offset: number, task: Task): Promise<string> {
  const file = await open(raw, 'r');
  try {
    const { partitions } = await readGpt(file);
    const sector = Math.floor(offset / SECTOR_BYTES);
    const partition = partitions.find(({ start, sectors }) => sector >= start && sector < start + sectors);
    if (partition === undefined) return `byte ${offset}, outside any partition`;
    const within = partition.start * SECTOR_BYTES;
    const path = await pathAt({ file: raw, offsetBytes: within }, offset - within, task);
    return path === undefined
      ? `byte ${offset}, in partition ${partition.name}`
      : `${path} of partition ${partition.name}`;
  } finally {
    await file.close();
  }
}
