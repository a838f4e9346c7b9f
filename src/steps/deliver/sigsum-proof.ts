import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { SIGSUM_FILE, STATEMENT_FILE } from '../../build/build-files.ts';
import { hasSigsumProof, type SigsumSubmitter, submitToSigsum } from '../../programs/sigsum.ts';

/**
 * Has a Sigsum log take the statement of a build, and keeps the proof beside it; one that is there already stays as it is.
 * @param dir the build's folder
 * @throws NightlyError `unwitnessed` when there is no proof that the policy accepts, `tool-missing`.
 */
export async function proveBySigsum(sigsum: SigsumSubmitter, dir: string, task: Task): Promise<void> {
  const statement = join(dir, STATEMENT_FILE);
  // A tree that does not say what it is made of has none.
  if (!existsSync(statement)) return;
  const proof = join(dir, SIGSUM_FILE);
  if (existsSync(proof) && (await hasSigsumProof(statement, sigsum, task))) return;
  // What it writes may be half there when it is killed.
  const draft = `${proof}.tmp`;
  await submitToSigsum(statement, draft, sigsum, task);
  await writeFileAtomic(proof, await readFile(draft));
  await rm(draft);
  task.say('the statement has a proof of Sigsum');
}
