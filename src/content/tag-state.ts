import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ifThere, readTextIfExists, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordOf, readRecord, recordFormat, recordText } from '../base/read-record.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex');
const md5 = z.string().regex(/^[0-9a-f]{32}$/, 'must be an MD5 in lower-case hex');

const schema = z.looseObject({
  version: z.literal(FORMATS['tag of koji'].newest),
  tag: z.string(),
  'tag-id': z.int().nonnegative(),
  /** Event of the snapshot that it was made of. */
  event: z.int().positive(),
  /** An event so long before it that nothing older was still to be committed: changes are asked for from here. */
  since: z.int().nonnegative(),
  arches: z.array(z.string()),
  /** Architectures that the tag had once; their repositories are kept, empty. */
  'former-arches': z.array(z.string()),
  /** Digest of what else the repositories depend on: places and key. */
  settings: sha256,
  /** Whether the targets have it; false for what was made with `push: false`. */
  pushed: z.boolean(),
  /** Seconds since the epoch. */
  at: z.int().nonnegative(),
  /** `build` is the build's name, version and release. */
  packages: z.array(z.looseObject({ file: z.string(), payloadhash: md5, sha256, build: z.string() })),
  blocked: z.array(z.looseObject({ file: z.string(), why: z.string() })),
  /** Files on targets that nothing names any more, and that are removed when their time is over. */
  waiting: z.int().nonnegative(),
  /** When it was last looked whether the time of these is over; seconds since the epoch. */
  looked: z.int().nonnegative(),
  /** Repositories on targets where the tag was published before its rule named another place. */
  left: z.array(z.looseObject({ target: z.string(), folder: z.string() })).exactOptional(),
});

/** The record of a tag. */
export const TAG_STATE = recordFormat({
  version: FORMATS['tag of koji'],
  schema,
  hint: 'Without it nobody knows what was published: look at the targets, then remove it and run "content sync TAG" again.',
});

/** What was made of a tag last. */
export type TagState = RecordOf<typeof TAG_STATE>;

const tagsFolder = (work: string): string => join(work, 'content', 'tags');

/** Returns the tags that were ever processed, sorted. */
export async function processedTags(work: string): Promise<string[]> {
  return ((await ifThere(readdir(tagsFolder(work)))) ?? []).sort();
}

/** Returns the folder of a tag in the work folder: state, history, repositories, logs. */
export const tagFolder = (work: string, tag: string): string => join(tagsFolder(work), tag);

/** Returns the folder with the packages of all tags. */
export const poolFolder = (work: string): string => join(work, 'content', 'pool');

const statePath = (folder: string): string => join(folder, 'state.json');

/** Returns what was made of a tag last; undefined when nothing was. @throws NightlyError `record` when that cannot be read (C6). */
export async function readTagState(folder: string): Promise<TagState | undefined> {
  const path = statePath(folder);
  const text = await readTextIfExists(path);
  return text === undefined ? undefined : readRecord(text, TAG_STATE, path);
}

/** Writes it; a reader has the old or the new one. */
export async function writeTagState(folder: string, state: TagState): Promise<void> {
  await writeFileAtomic(statePath(folder), recordText(state, TAG_STATE));
}
