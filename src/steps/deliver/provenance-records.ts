import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { PROVENANCE_FILE, SIGNATURES_FILE, TREEFILE_ARCHIVE } from '../../build/build-files.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import { PROVENANCE_PATH, parseProvenance } from '../../engines/provenance/provenance-format.ts';
import { catFile } from '../../programs/ostree.ts';
import type { Build } from '../../run/build.ts';
import { copiedFiles } from '../../treefile/copied-files.ts';
import { packTreefile } from '../../treefile/treefile-archive.ts';

/**
 * Writes the records that say what a build's tree is made of: the provenance with the bytes that the tree has, and the treefile's
 * archive.
 * @param about.from the build whose treefile it was, and whose tree it has where it composed none itself
 */
export async function writeProvenanceRecords(
  { paths }: Build,
  about: { readonly repo: string; readonly commit: string; readonly from: StoredBuild },
  task: Task,
): Promise<void> {
  const { repo, commit, from } = about;
  const text = await catFile(repo, commit, PROVENANCE_PATH, task);
  if (text !== undefined && isProvenance(text, commit, task)) {
    await writeFileAtomic(join(paths.dir, PROVENANCE_FILE), text);
  }
  const signatures = join(paths.dir, SIGNATURES_FILE);
  if (!existsSync(signatures)) await ifThere(copyFile(join(from.paths.dir, SIGNATURES_FILE), signatures));
  await archiveTreefile(join(paths.dir, TREEFILE_ARCHIVE), from, task);
}

function isProvenance(text: string, commit: string, task: Task): boolean {
  try {
    parseProvenance(text, `${PROVENANCE_PATH} of commit ${commit}`);
    return true;
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    task.say(`${error.message} It is not published beside the build.`);
    return false;
  }
}

async function archiveTreefile(archive: string, { paths, meta }: StoredBuild, task: Task): Promise<void> {
  const top = meta.treefileCopy;
  if (top === undefined || !existsSync(join(paths.treefileCopy, top))) return;
  const files = await copiedFiles(paths.treefileCopy, top, meta.basearch);
  const why = await packTreefile(files, archive, task);
  if (why !== undefined) task.say(`${TREEFILE_ARCHIVE} is not published: the treefile ${why}`);
}
