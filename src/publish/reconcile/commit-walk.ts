import { NightlyError } from '../../base/errors.ts';
import {
  type CommitInfo,
  type MetadataType,
  type ObjectType,
  objectPath,
  parseCommit,
  parseDirTree,
  type ReadObject,
} from '../../ostree/objects.ts';
import type { Unrepairable } from './reconcile-plan.ts';
import type { RepoListing } from './repo-listing.ts';

const HINT = 'Pull the commit into the local repository from a mirror that has it whole, then run again.';

/**
 * Returns the commits that refs name, those that are there, and those between and before them that must have been
 * there: their root folder is, or an older commit of the same line, and no prune took them away.
 */
export async function commitsToBeWhole(
  { listing, named }: { readonly listing: RepoListing; readonly named: Iterable<string> },
  read: ReadObject,
  unrepairable: Unrepairable[],
): Promise<Set<string>> {
  const { objects, pruned } = listing;
  const wanted = new Set<string>();
  const isListed = (commit: string): boolean => objects.bytesOf(commit, 'commit') !== undefined;
  const info = async (commit: string): Promise<CommitInfo | undefined> => {
    const bytes = await readSound(read, commit, 'commit');
    return bytes && parseCommit(commit, bytes);
  };
  for (const start of new Set([...named, ...listing.commits])) {
    const first = await info(start);
    if (!first) {
      const why = 'the local repository does not have it, so what it needs is not known';
      unrepairable.push({ what: `commit ${start}`, why, hint: 'Repair from the machine that publishes it.' });
      continue;
    }
    wanted.add(start);
    let gap: string[] = [];
    for (let parent = first.parent; parent !== undefined && !isListed(parent) && !wanted.has(parent); ) {
      const before = await info(parent);
      if (!before) break;
      if (!pruned.has(parent)) gap.push(parent);
      const older = before.parent !== undefined && isListed(before.parent);
      if (older || objects.bytesOf(before.rootTree, 'dirtree') !== undefined) {
        for (const commit of gap) wanted.add(commit);
        gap = [];
      }
      parent = before.parent;
    }
  }
  return wanted;
}

/**
 * Visits everything a commit needs; a folder whose visit gives false is not entered.
 * @returns what keeps the walk from being complete
 */
export async function walkCommit(
  commit: string,
  read: ReadObject,
  visit: (checksum: string, type: ObjectType) => boolean,
): Promise<Unrepairable | undefined> {
  const lacks = (what: string): Unrepairable => {
    return { what: `commit ${commit}`, why: `the local repository lacks ${what}`, hint: HINT };
  };
  visit(commit, 'commit');
  visit(commit, 'commitmeta');
  const bytes = await readSound(read, commit, 'commit');
  if (!bytes) return lacks('the commit');
  const { rootTree, rootMeta } = parseCommit(commit, bytes);
  const pending = [{ tree: rootTree, meta: rootMeta }];
  let missing = 0;
  for (let folder = pending.pop(); folder; folder = pending.pop()) {
    visit(folder.meta, 'dirmeta');
    if (!visit(folder.tree, 'dirtree')) continue;
    const content = await readSound(read, folder.tree, 'dirtree');
    if (!content) {
      missing += 1;
      continue;
    }
    const { files, folders } = parseDirTree(folder.tree, content);
    for (const file of files) visit(file.checksum, 'filez');
    pending.push(...folders);
  }
  return missing === 0 ? undefined : lacks(`${missing} of its folders, so what is in them is not known`);
}

/** Whether a commit needs none of the lost objects (paths relative to the repository). */
export async function needsNone(commit: string, read: ReadObject, lost: ReadonlySet<string>): Promise<boolean> {
  const seen = new Set<string>();
  let none = true;
  const fault = await walkCommit(commit, read, (checksum, type) => {
    if (lost.has(objectPath(checksum, type))) none = false;
    if (type !== 'dirtree' || seen.has(checksum)) return false;
    seen.add(checksum);
    return true;
  });
  return none && fault === undefined;
}

/** Returns the object, or undefined when it is missing or damaged here. */
async function readSound(read: ReadObject, checksum: string, type: MetadataType): Promise<Uint8Array | undefined> {
  try {
    return await read(checksum, type);
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'ostree') return undefined;
    throw error;
  }
}
