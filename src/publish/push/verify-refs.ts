import type { Task } from '../../base/task.ts';
import { verifyPublished } from '../fresh-client.ts';
import type { PushedRef } from './pushed-ref.ts';

/**
 * Pulls each ref as a fresh client (I6).
 * @param url the folder that holds `repo/`, as clients read it; that of the repository will do as well
 */
export async function verifyRefs(
  url: string,
  refs: readonly PushedRef[],
  scratchDir: string,
  task: Task,
): Promise<void> {
  const repo = `${url.replace(/\/+$/, '').replace(/\/repo$/, '')}/repo`;
  for (const { ref, commit } of refs) {
    // Whose keys clients trust is not known here: this one looks at the objects.
    await verifyPublished({ url: repo, ref, commit, gpgKeys: [], scratchDir }, task);
  }
}
