import type { Task } from '../../base/task.ts';
import type { Config } from '../../config/config.ts';
import { readHistory } from '../../content/tag-history.ts';
import { processedTags, type TagState, tagFolder } from '../../content/tag-state.ts';
import { REPOMD } from '../../rpm/repository/package-digests.ts';
import { openTarget } from '../../targets/open-target.ts';

/** A folder on a target. */
export type TargetFolder = Readonly<Pick<NonNullable<TagState['left']>[number], 'target' | 'folder'>>;

const isIn = (places: readonly TargetFolder[], { target, folder }: TargetFolder): boolean =>
  places.some((one) => one.target === target && one.folder === folder);

/**
 * Returns where a tag was published before its rule named another place, and no other tag is now. Nobody removes what is there by
 * itself: hosts and mirrors that use it would be left with nothing.
 * @param now where it is published
 */
export async function formerPlaces(work: string, tag: string, now: readonly TargetFolder[]): Promise<TargetFolder[]> {
  const left: TargetFolder[] = [];
  for (const { pushed, repositories } of await readHistory(tagFolder(work, tag)))
    for (const { target, folder } of pushed ? repositories : [])
      if (!isIn([...now, ...left], { target, folder })) left.push({ target, folder });
  if (left.length === 0) return [];
  const others: TargetFolder[] = [];
  for (const other of (await processedTags(work)).filter((name) => name !== tag))
    others.push(...((await readHistory(tagFolder(work, other))).findLast(({ pushed }) => pushed)?.repositories ?? []));
  return left.filter((one) => !isIn(others, one));
}

/** Returns those of the folders in which there is still a repository. @throws NightlyError those of the targets. */
export async function stillThere(
  places: readonly TargetFolder[],
  { targets }: Pick<Config, 'targets'>,
  task: Task,
): Promise<TargetFolder[]> {
  const found: TargetFolder[] = [];
  for (const { target: name, folder } of places) {
    const config = Object.hasOwn(targets, name) ? targets[name] : undefined;
    // Of a target that is not configured any more nobody knows.
    if (config && (await openTarget(config).read(`${folder}/${REPOMD}`, task))) found.push({ target: name, folder });
  }
  return found;
}

/** Returns a warning for each folder that a tag has left. */
export function leftLines(
  { tag, left = [] }: { readonly tag: string; readonly left?: readonly TargetFolder[] | undefined },
  { targets }: Pick<Config, 'targets'>,
): string[] {
  return left.map(({ target, folder }) => {
    const config = Object.hasOwn(targets, target) ? targets[target] : undefined;
    const place = config ? `${openTarget(config).describe()}/${folder}` : `${folder} on target "${target}"`;
    return `${tag} was published in ${place} before: what is there stays as it is. When nobody uses it any more, remove it there.`;
  });
}
