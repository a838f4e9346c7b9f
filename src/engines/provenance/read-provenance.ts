import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { catFile } from '../../programs/ostree.ts';
import { PROVENANCE_PATH, type Provenance, parseProvenance } from './provenance-format.ts';

/**
 * Returns what the tree of a commit says of what it is made of; undefined where it says nothing, or is not here.
 * @throws NightlyError `record` when that cannot be read.
 */
export async function commitProvenance(repo: string, commit: string, task: Task): Promise<Provenance | undefined> {
  const text = await catFile(repo, commit, PROVENANCE_PATH, task);
  return text === undefined ? undefined : parseProvenance(text, `${PROVENANCE_PATH} of commit ${commit}`);
}

/** The same, but what cannot be read is told and counts as nothing. */
export async function commitProvenanceIfGood(
  repo: string,
  commit: string,
  task: Task,
): Promise<Provenance | undefined> {
  try {
    return await commitProvenance(repo, commit, task);
  } catch (error) {
    if (!(error instanceof NightlyError) || error.code !== 'record') throw error;
    task.say(error.message);
    return undefined;
  }
}

/** Whether it has checksums of files and keys of signatures. */
export function hasSignatures({ packages }: Provenance): boolean {
  return packages.some(({ file, key }) => file !== undefined || key !== undefined);
}
