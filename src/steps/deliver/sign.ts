import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { withSignature } from '../../ostree/commit-signatures.ts';
import { objectPath } from '../../ostree/objects.ts';
import { reportExpiry } from '../../signing/inventory.ts';
import type { Signer } from '../../signing/signer.ts';

/**
 * Signs a commit of the local repository. Other signatures it has stay, and a repetition adds none. A key that expires soon is
 * warned about.
 * @returns the fingerprints of the keys that signed
 * @throws NightlyError `signing`.
 */
export async function sign(repo: string, commit: string, signer: Signer, task: Task): Promise<string[]> {
  const keys = await reportExpiry(signer, task);
  const signature = await signer.sign(await readFile(join(repo, objectPath(commit, 'commit'))), task);
  const path = join(repo, objectPath(commit, 'commitmeta'));
  await writeFileAtomic(path, withSignature(await ifThere(readFile(path)), signature));
  task.say(`signed ${commit.slice(0, 12)}`);
  return keys.map(({ fingerprint }) => fingerprint);
}
