import type { Task } from '../../base/task.ts';
import { LOG_HINT, logFault } from '../../log/log-fault.ts';
import { parseNote } from '../../log/note.ts';
import { openpgpId, withSignature } from '../../log/openpgp-line.ts';
import { readKeyInfo } from '../../signing/key-info.ts';
import type { Signer } from '../../signing/signer.ts';
import { isSignedByOne } from '../../signing/verify-detached.ts';

/**
 * Adds to a checkpoint the OpenPGP signature of each key over its text, those that it lacks, as lines of the note: whoever takes the
 * checkpoint, or a proof that holds it, has its signature with it, and can never have that of another. Others ignore the line.
 * @param name of the log
 * @param signers one for each key
 * @returns the note as it was when nothing is lacking
 * @throws NightlyError `signing`, `log`.
 */
export async function signedWithOpenpgp(
  note: Buffer,
  { name, signers }: { readonly name: string; readonly signers: readonly Signer[] },
  task: Task,
): Promise<Buffer> {
  let signed = note;
  for (const signer of signers) {
    const { text, signatures } = parseNote(note, { file: name });
    const id = await idOf(name, await signer.publicKey(task));
    if (signatures.some((one) => one.name === name && one.id === id)) continue;
    signed = withSignature(signed, { name, id, signature: Buffer.from(await signer.sign(Buffer.from(text), task)) });
  }
  return signed;
}

/**
 * Returns the fingerprints of keys that signed a checkpoint with OpenPGP.
 * @param keyring public keys, binary, one behind another
 * @throws NightlyError `log` when one of them did not, `signing` when there is no key.
 */
export async function requireOpenpgp(
  note: Uint8Array,
  { name, keyring, file }: { readonly name: string; readonly keyring: Uint8Array; readonly file: string },
  task: Task,
): Promise<string[]> {
  const { text, signatures } = parseNote(note, { file });
  const keys = await readKeyInfo(keyring, 'the public key of the signer');
  for (const { fingerprint } of keys) {
    const id = openpgpId(name, fingerprint);
    const ours = signatures.filter((one) => one.name === name && one.id === id).map(({ signature }) => signature);
    if (ours.length === 0) throw logFault({ file }, `The OpenPGP key ${fingerprint} has not signed it.`, LOG_HINT);
    if (await isSignedByOne(keyring, Buffer.from(text), ours, task)) continue;
    throw logFault({ file }, `The signature of the OpenPGP key ${fingerprint} on it is wrong.`, LOG_HINT);
  }
  return keys.map(({ fingerprint }) => fingerprint);
}

async function idOf(name: string, publicKey: Uint8Array): Promise<string> {
  const [key] = await readKeyInfo(publicKey, 'the public key of the signer');
  return openpgpId(name, key?.fingerprint ?? '');
}
