import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../errors.ts';
import { signaturesIn } from '../ostree/signatures.ts';
import { sha256, withTemporaryFolder, writeFileAtomic } from '../tools/files.ts';
import { gpgvVerify } from '../tools/gpg.ts';
import type { Task } from '../tools/task.ts';
import type { Signer } from './signer.ts';

/**
 * A signer that keeps each signature, by the digest of what it signs, before anybody gets it: a step that is repeated
 * after a kill takes the same one, and a card or a person is asked once. What is handed out has been checked by gpgv
 * against the public key alone (I2).
 * @param folder where signatures are kept; made when missing
 */
export function keptSigner(signer: Signer, folder: string): Signer {
  return {
    publicKey: (task) => signer.publicKey(task),
    async sign(bytes, task) {
      const kept = join(folder, `${sha256(bytes)}.sig`);
      const publicKey = await signer.publicKey(task);
      if (existsSync(kept)) {
        const signature = new Uint8Array(await readFile(kept));
        // One by a key that has been replaced since is of no more use.
        if (await isGood({ bytes, signature, publicKey }, task)) return signature;
      }
      const signature = await signer.sign(bytes, task);
      if (!(await isGood({ bytes, signature, publicKey }, task))) {
        throw new NightlyError('signing', 'gpgv does not accept the signature that was just made.', {
          hint: 'Check that the key has not expired and that the agent signs with the key that is configured.',
          log: task.logFile,
        });
      }
      await writeFileAtomic(kept, signature);
      return signature;
    },
  };
}

/** Whether one of the signatures in a `summary.sig` is over that summary and by that key. */
export async function isSignedBy(
  publicKey: Uint8Array,
  summary: Uint8Array,
  signatureFile: Uint8Array,
  task: Task,
): Promise<boolean> {
  for (const signature of signaturesIn(signatureFile)) {
    if (await isGood({ bytes: summary, signature, publicKey }, task)) return true;
  }
  return false;
}

async function isGood(
  { bytes, signature, publicKey }: { bytes: Uint8Array; signature: Uint8Array; publicKey: Uint8Array },
  task: Task,
): Promise<boolean> {
  return withTemporaryFolder(async (folder) => {
    const [keyring, data, sig] = [join(folder, 'keys.gpg'), join(folder, 'data'), join(folder, 'data.sig')];
    await writeFile(keyring, publicKey);
    await writeFile(data, bytes);
    await writeFile(sig, signature);
    return gpgvVerify({ keyring, signature: sig, file: data }, task);
  });
}
