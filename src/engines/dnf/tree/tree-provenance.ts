import type { Task } from '../../../base/task.ts';
import { kindOf, replaceInTree } from '../../../base/tree-files.ts';
import { checkProvenancePlace, type Found } from '../../provenance/place.ts';
import { PROVENANCE_PATH } from '../../provenance/provenance-format.ts';
import { entry } from './tree-paths.ts';

/** Writes into a tree what it is made of. @throws NightlyError `compose` when something else is in its place. */
export async function writeProvenance(root: string, text: string, task: Task): Promise<void> {
  const replaced = await checkProvenancePlace(async (path): Promise<Found> => {
    const kind = await kindOf(entry(root, path));
    return kind === 'dir' ? 'folder' : kind === 'link' ? 'other' : kind;
  });
  if (replaced) task.say(`${PROVENANCE_PATH} of the packages or the treefile is replaced by what the tree is made of`);
  await replaceInTree(entry(root, PROVENANCE_PATH), text);
}
