import type { Task } from '../../base/task.ts';
import { signCommit } from '../../publish/sign-commit.ts';
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
  await signCommit(repo, commit, signer, task);
  task.say(`signed ${commit.slice(0, 12)}`);
  return keys.map(({ fingerprint }) => fingerprint);
}
