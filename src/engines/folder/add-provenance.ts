import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { entryInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { kindOf, replaceInTree } from '../../base/tree-files.ts';
import { insertFile } from '../../ostree/add-file.ts';
import { storeFolder } from '../../programs/ostree-store.ts';
import type { FolderRequest } from '../engine.ts';
import { checkProvenancePlace, type Found } from '../provenance/place.ts';
import { PROVENANCE_PATH } from '../provenance/provenance-format.ts';
import { readStored } from './store-tree.ts';
import { cacheRepo, type TakenFolder } from './take-folder.ts';
import { labelling } from './tree-policy.ts';

/**
 * Puts into a stored tree what it is made of; the folder itself is only read.
 * @throws NightlyError `compose` when something else is in its place
 */
export async function addProvenance(
  taken: TakenFolder,
  text: string,
  { cacheDir, scratchDir }: FolderRequest,
  task: Task,
): Promise<TakenFolder> {
  const kindAt = async (path: string): Promise<Found> => {
    const kind = await kindOf(entryInRoot(taken.root, path));
    return kind === 'dir' ? 'folder' : kind === 'link' ? 'other' : kind;
  };
  if (await checkProvenancePlace(kindAt)) {
    task.say(`${PROVENANCE_PATH} of the folder is replaced in the tree by what that is made of`);
  }
  const folder = join(scratchDir, 'provenance-tree');
  await rm(folder, { recursive: true, force: true });
  await replaceInTree(join(folder, PROVENANCE_PATH), text);
  const [skip, modes] = [join(scratchDir, 'skip'), join(scratchDir, 'modes')];
  await replaceInTree(skip, '');
  await replaceInTree(modes, '');
  const repo = cacheRepo(cacheDir);
  const commit = await storeFolder(
    { repo, folder, skip, modes, owner: { uid: 0, gid: 0 }, labels: labelling(taken.policy) },
    task,
  );
  const checksum = (await readStored(repo, commit)).files.get(PROVENANCE_PATH);
  if (checksum === undefined) throw new NightlyError('bug', `${PROVENANCE_PATH} was not stored.`);
  return { ...taken, tree: await insertFile(repo, taken, PROVENANCE_PATH, checksum) };
}
