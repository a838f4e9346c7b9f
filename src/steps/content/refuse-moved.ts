import { NightlyError } from '../../base/errors.ts';
import { readHistory } from '../../content/tag-history.ts';
import type { TagRepository } from './make-repositories.ts';

/**
 * Refuses to publish a tag elsewhere than it was: hosts and mirrors that read it there would get nothing new, and notice nothing.
 * @param repositories what its rule says now
 * @param folder of the tag in the work folder
 * @throws NightlyError `gate-failed` naming the folders that it would leave.
 */
export async function refuseMoved(
  repositories: readonly Pick<TagRepository, 'target' | 'folder'>[],
  { tag, folder }: { readonly tag: string; readonly folder: string },
): Promise<void> {
  const last = (await readHistory(folder)).findLast(({ pushed }) => pushed);
  const isThere = (one: { readonly target: string; readonly folder: string }): boolean =>
    repositories.some((now) => now.target === one.target && now.folder === one.folder);
  const left = (last?.repositories ?? []).filter((one) => !isThere(one));
  if (left.length === 0) return;
  const places = left.map((one) => `  ${one.folder} on target "${one.target}"`).join('\n');
  throw new NightlyError(
    'gate-failed',
    `${tag} was published where its rule does not publish it any more:\n${places}`,
    {
      hint: 'What is there would stay as it is, and hosts that use it would notice nothing. Put the path of the rule back; or move: tell who uses it, give "atomic-nightly content sync TAG --accept-removals", and remove these folders from the target.',
    },
  );
}
