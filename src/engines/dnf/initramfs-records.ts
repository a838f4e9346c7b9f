import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfExists, writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';

/**
 * What the cache knows about the images in it: `initramfs/records.json`, the image used last first. A file of another format
 * (an older or newer release of this program wrote it) or a damaged one counts as none: the next image is made anew, and
 * what is in the folder without a record is removed then.
 */
const FORMAT = 2;

const common = {
  /** Digest of dracut's arguments, its environment and the files that are replaced for it. */
  key: z.string(),
  /** Its name in the cache folder. */
  image: z.string().regex(/^[0-9a-f]{64}\.img$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
};

/** What dracut asked for is known: an image is used again when it would get the same answers. */
const askedSchema = z.object({
  rule: z.literal('asked'),
  ...common,
  outside: z.array(z.string().startsWith('/')),
  /** Keyed by path: the letters of what was asked, and the answer (asked.ts). */
  asked: z.record(z.string().startsWith('/'), z.tuple([z.string().regex(/^[lsrdx]+$/), z.string()])),
  attributes: z.string(),
});

/** Only what it read is known: all names in the tree have to be what they were as well (trace.ts). */
const namesSchema = z.object({
  rule: z.literal('names'),
  ...common,
  names: z.string(),
  reads: z.record(z.string().startsWith('/'), z.string()),
});

const recordSchema = z.discriminatedUnion('rule', [askedSchema, namesSchema]);
const fileSchema = z.object({ format: z.literal(FORMAT), images: z.array(recordSchema) });

/** An image in the cache, and what it was made from. */
export type KnownImage = z.infer<typeof recordSchema>;
export type AskedImage = z.infer<typeof askedSchema>;
export type NamesImage = z.infer<typeof namesSchema>;

/** Images kept: a stream that goes to and fro between a few kernels or treefiles still finds its own. */
const KEPT = 4;

const FILE = 'records.json';

/** Returns the images in a cache folder; none, with a note in the log, when the list of them cannot be used. */
export async function readRecords(dir: string, task: Task): Promise<readonly KnownImage[]> {
  const text = await readTextIfExists(join(dir, FILE));
  if (text === undefined) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    task.say(`${join(dir, FILE)} is damaged: no initramfs can be used again tonight`);
    return [];
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return parsed.data.images;
  task.say(`${join(dir, FILE)} is not of format ${FORMAT}: no initramfs can be used again tonight`);
  return [];
}

/** Writes the list of images, and removes everything else from the folder. */
export async function writeRecords(dir: string, records: readonly KnownImage[]): Promise<void> {
  const images = records.slice(0, KEPT);
  await writeJson(join(dir, FILE), { format: FORMAT, images });
  const kept = new Set([FILE, ...images.map(({ image }) => image)]);
  for (const name of await readdir(dir))
    if (!kept.has(name)) await rm(join(dir, name), { recursive: true, force: true });
}
