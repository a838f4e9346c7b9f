import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { withSignature } from '../ostree/commit-signatures.ts';
import { readDetached } from '../ostree/detached.ts';
import { objectPath } from '../ostree/objects.ts';
import type { Signer } from '../signing/signer.ts';

/**
 * Signs a commit of a local repository. Other signatures it has stay, and a repetition adds none.
 * @throws NightlyError `signing`.
 */
export async function signCommit(repo: string, commit: string, signer: Signer, task: Task): Promise<void> {
  const signature = await signer.sign(await readFile(join(repo, objectPath(commit, 'commit'))), task);
  const path = join(repo, objectPath(commit, 'commitmeta'));
  await writeFileAtomic(path, withSignature(await readDetached(repo, commit), signature));
}
