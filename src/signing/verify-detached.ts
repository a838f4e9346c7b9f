import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withTemporaryFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { type GpgvFinding, gpgvCheck } from '../programs/gpg.ts';
import type { Signable, Signer } from './signer.ts';

/**
 * Returns what gpgv, which is no part of this program, finds of a detached signature, armored or binary, with these
 * keys alone.
 * @returns a finding for each signature in it; none when it holds none
 */
export async function findingsOf(
  {
    what,
    signature,
    publicKey,
  }: { readonly what: Signable; readonly signature: Uint8Array; readonly publicKey: Uint8Array },
  task: Task,
): Promise<GpgvFinding[]> {
  return withTemporaryFolder(async (folder) => {
    const [keyring, data, sig] = [join(folder, 'keys.gpg'), join(folder, 'data'), join(folder, 'data.sig')];
    await writeFile(keyring, publicKey);
    if (what instanceof Uint8Array) await writeFile(data, what);
    await writeFile(sig, signature);
    return gpgvCheck({ keyring, signature: sig, file: what instanceof Uint8Array ? data : what.file }, task);
  });
}

/** Whether each of the keys made one of the signatures, and it is good; those of others say nothing. */
export async function isSignedByAll(
  signers: readonly Pick<Signer, 'clientKey'>[],
  what: Signable,
  signatures: readonly Uint8Array[],
  task: Task,
): Promise<boolean> {
  for (const signer of signers) {
    const publicKey = await signer.clientKey(task);
    if (!(await isSignedByOne(publicKey, what, signatures, task))) return false;
  }
  return true;
}

/** Whether there is a good signature by one of these keys. */
export async function isSignedByOne(
  publicKey: Uint8Array,
  what: Signable,
  signatures: readonly Uint8Array[],
  task: Task,
): Promise<boolean> {
  for (const signature of signatures) {
    if ((await findingsOf({ what, signature, publicKey }, task)).includes('good')) return true;
  }
  return false;
}

/**
 * Whether one of these keys made one of the signatures, whatever it was made over: of a signature over other bytes gpgv says
 * "bad" when it has the key, and only of others that it does not know them. So a large file need not be read for it.
 */
export async function isSignedByAnyKey(
  publicKey: Uint8Array,
  signatures: readonly Uint8Array[],
  task: Task,
): Promise<boolean> {
  for (const signature of signatures) {
    const findings = await findingsOf({ what: new Uint8Array(), signature, publicKey }, task);
    if (findings.some((finding) => finding !== 'unknown-key' && finding !== 'unreadable')) return true;
  }
  return false;
}
