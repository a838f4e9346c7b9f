import { isSignedBy, SIGNATURE_BYTES } from './ed25519.ts';
import type { NoteSignature } from './note.ts';
import type { NoteKey, NoteSigner } from './note-keys.ts';

/**
 * Cosignatures v1 (c2sp.org/tlog-cosignature) with Ed25519: a witness vouches that a checkpoint is consistent with all that it
 * has signed before, and when. The signed bytes do not hold the witness's name, so one key must be one witness.
 */

const TIME_BYTES = 8;

/** Returns the signature of a witness. @param text of the checkpoint @param time seconds since the epoch */
export function cosign(text: string, time: number, witness: NoteSigner): NoteSignature {
  const stamp = Buffer.alloc(TIME_BYTES);
  stamp.writeBigUInt64BE(BigInt(time));
  return {
    name: witness.name,
    id: witness.id,
    signature: Buffer.concat([stamp, witness.sign(signedBytes(text, String(time)))]),
  };
}

/** Returns when a witness signed, seconds since the epoch; undefined when its signature is wrong. */
export function cosignedAt(text: string, { signature }: NoteSignature, witness: NoteKey): number | undefined {
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return undefined;
  const time = signature.readBigUInt64BE();
  const good = isSignedBy(witness.publicKey, signedBytes(text, String(time)), signature.subarray(TIME_BYTES));
  return good && time <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(time) : undefined;
}

const signedBytes = (text: string, time: string): Buffer => Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
