import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { byText } from '../base/by-text.ts';
import { NightlyError } from '../base/errors.ts';
import { ifThere, isErrno, makeFolder, readTextIfExists, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { hasControlCharacters } from '../base/one-line.ts';
import { damaged, type RecordOf, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import type { Task } from '../base/task.ts';
import { isUnreadable, unreadable } from '../base/unreadable.ts';
import { takeFlock, tryFlock } from '../programs/flock.ts';
import { buildId, instant } from './record-values.ts';

/** What a tag may be called: begun with a letter, so that it is never an id, the beginning of one, or a number. */
export const TAG_NAME = /^(?!constructor$)[A-Za-z][\w.-]{0,62}$/;

const line = z
  .string()
  .min(1)
  .max(1000)
  .refine((text) => !hasControlCharacters(text), 'must be plain text on one line');

/**
 * `tags/NAME.json` of the work folder: a name of the operator's own for a build. A file for each name, so that a tag is moved by one
 * rename, and a damaged one harms no other (I15).
 */
export const BUILD_TAG = recordFormat({
  version: FORMATS['tag of a build'],
  schema: z.strictObject({
    version: z.literal(FORMATS['tag of a build'].newest),
    name: z.string().regex(TAG_NAME, 'must be the name of a tag'),
    build: buildId,
    at: instant,
    by: line.exactOptional(),
    reason: line.exactOptional(),
  }),
  hint: 'Tag the build again with --force, or delete the tag: "atomic-nightly tag --delete NAME".',
});

export type BuildTag = RecordOf<typeof BUILD_TAG>;

/** A tag whose record cannot be read: which build it keeps is not known. */
export interface DamagedTag {
  readonly name: string;
  readonly error: NightlyError;
}

/** The tags of a work folder. */
export interface TagSurvey {
  /** Sorted by name. */
  readonly tags: readonly BuildTag[];
  readonly damaged: readonly DamagedTag[];
}

/** Stands for every tag there may be; no tag is called so. */
const ALL_TAGS = '(all)';

/** Returns the folder of a work folder that has a file for each tag. */
export const tagsFolder = (work: string): string => join(work, 'tags');

const tagPath = (work: string, name: string): string => join(tagsFolder(work), `${name}.json`);

/** Reads the text of a tag's record. @throws NightlyError `record`, also when it is that of another name */
export function parseTag(content: string | Uint8Array, name: string, place: string): BuildTag {
  const tag = readRecord(content, BUILD_TAG, place);
  if (tag.name !== name) throw damaged(place, `it is the record of the tag ${tag.name}`, BUILD_TAG.hint);
  return tag;
}

/** Returns a tag; undefined when there is none of that name. @throws NightlyError `record` */
export async function readTag(work: string, name: string): Promise<BuildTag | undefined> {
  const path = tagPath(work, name);
  try {
    const text = await readTextIfExists(path);
    return text === undefined ? undefined : parseTag(text, name, path);
  } catch (error) {
    throw isUnreadable(error) ? unreadable(path, error) : error;
  }
}

/** Returns all tags, those that are damaged apart; where their folder cannot be read, `ALL_TAGS` is. */
export async function surveyTags(work: string): Promise<TagSurvey> {
  const files = await filesOfTags(tagsFolder(work));
  if (files instanceof NightlyError) return { tags: [], damaged: [{ name: ALL_TAGS, error: files }] };
  const names = files.flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []));
  const [tags, broken]: [BuildTag[], DamagedTag[]] = [[], []];
  for (const name of names.filter((one) => TAG_NAME.test(one)).sort(byText)) {
    try {
      const tag = await readTag(work, name);
      if (tag) tags.push(tag);
    } catch (error) {
      if (!(error instanceof NightlyError)) throw error;
      broken.push({ name, error });
    }
  }
  return { tags, damaged: broken };
}

/** A file in the place of the folder, or a link that leads nowhere, is not the same as no tag: what they keep is not known then. */
async function filesOfTags(folder: string): Promise<string[] | NightlyError> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT') && !(await ifThere(lstat(folder)))) return [];
    if (isErrno(error, 'ENOENT') || isUnreadable(error)) return unreadable(folder, error);
    throw error;
  }
}

/** Returns the names that a build has. */
export function tagsOf({ tags }: Pick<TagSurvey, 'tags'>, id: string): string[] {
  return tags.flatMap(({ name, build }) => (build === id ? [name] : []));
}

/** Fails closed: while a tag is damaged, any build may be the one that it keeps (I8). @throws NightlyError `record` */
export function insistOnWholeTags({ damaged: [first] }: TagSurvey): void {
  if (first) throw first.error;
}

/** Writes a tag, in the place of one of the same name. Only whoever has the lock of the tags may. */
export async function writeTag(work: string, tag: Omit<BuildTag, 'version'>): Promise<void> {
  const version = FORMATS['tag of a build'].newest;
  await writeFileAtomic(tagPath(work, tag.name), recordText({ version, ...tag }, BUILD_TAG));
}

/** Deletes a tag, whatever its record is like. Only whoever has the lock of the tags may. */
export async function deleteTag(work: string, name: string): Promise<void> {
  await rm(tagPath(work, name), { recursive: true, force: true });
}

const lockPath = (work: string): string => join(work, 'tags.lock');

/**
 * Changes tags while nothing is deleted by what they were before, and nobody else changes them.
 * @param onWait called before waiting for whoever has the lock
 * @throws NightlyError `interrupted`
 */
export async function changeTags<Result>(
  work: string,
  change: () => Promise<Result>,
  onWait: () => void,
  task: Task,
): Promise<Result> {
  await makeFolder(work);
  const path = lockPath(work);
  let free = await tryFlock(path);
  if (!free) {
    onWait();
    free = await takeFlock(path, task);
  }
  try {
    return await change();
  } finally {
    await free();
  }
}

/**
 * Gives work the tags, which stay as they are until it is done: what is deleted by them is wanted by none. Several may delete side by
 * side.
 * @throws NightlyError `interrupted`
 */
export async function whileTagsStay<Result>(
  work: string,
  use: (tags: TagSurvey) => Promise<Result>,
  task: Task,
): Promise<Result> {
  await makeFolder(work);
  const free = await takeFlock(lockPath(work), task, { shared: true });
  try {
    return await use(await surveyTags(work));
  } finally {
    await free();
  }
}
