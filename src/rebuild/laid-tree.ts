import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfExists, sha256, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { readRecordIfGood, recordFormat, recordText } from '../base/read-record.ts';
import type { Task } from '../base/task.ts';
import { sha256Hex } from '../build/record-values.ts';
import { type RootEntry, readRootTree, type SeenEntry, seeTree, treeListing } from './root-tree.ts';

/** What was read of a build root when it was laid out, in `tree.json` beside it. */
export const LAID_TREE = recordFormat({
  version: FORMATS['laid out root'],
  schema: z.looseObject({
    'tree-version': z.literal(FORMATS['laid out root'].newest),
    /** Digest of the tree as builders take it. */
    listing: sha256Hex,
    /** SHA-256 over what the file system says of everything in the tree. */
    status: sha256Hex,
    /** SHA-256 of files, by path. */
    files: z.record(z.string(), sha256Hex),
  }),
  hint: 'Remove it: the root is laid out again.',
});

/** What is in a build root, and the digest of it that builders must find. */
export interface LaidTree {
  readonly listing: string;
  readonly entries: readonly RootEntry[];
}

const recordPath = (here: string): string => join(here, 'tree.json');
const treePath = (here: string): string => join(here, 'tree');

/** Reads a tree that was just laid out, and remembers it. @param here the folder that has `tree` */
export async function rememberTree(here: string, task: Task): Promise<LaidTree> {
  const tree = treePath(here);
  // Seen first: what changes while it is read is not what is remembered.
  const seen = await seeTree(tree);
  const listing = await treeListing(tree, task);
  const entries = await readRootTree(tree, { seen, digests: new Map() });
  const files = Object.fromEntries(entries.flatMap((one) => (one.kind === 'file' ? [[one.path, one.sha256]] : [])));
  await writeFileAtomic(
    recordPath(here),
    recordText({ treeVersion: 1, listing, status: statusOf(seen), files }, LAID_TREE),
  );
  return { listing, entries };
}

/**
 * Returns a tree without reading its files again; undefined when anything of it was touched since, or nothing is remembered. A file that
 * is changed all the same, by whatever leaves its times as they were, ends at builders: they compare what they got with the listing.
 * @param here the folder that has `tree`
 */
export async function recallTree(here: string): Promise<LaidTree | undefined> {
  const known = readRecordIfGood(await readTextIfExists(recordPath(here)), LAID_TREE);
  if (known === undefined) return undefined;
  const tree = treePath(here);
  const seen = await seeTree(tree);
  if (statusOf(seen) !== known.status) return undefined;
  const files = new Map(Object.entries(known.files));
  return { listing: known.listing, entries: await readRootTree(tree, { seen, digests: files }) };
}

/** The change time cannot be set by programs: a file that was written to since has another one. */
function statusOf(seen: readonly SeenEntry[]): string {
  return sha256(seen.map((one) => JSON.stringify(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))).join('\n'));
}
