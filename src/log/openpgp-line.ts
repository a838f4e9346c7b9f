import { hash } from 'node:crypto';
import { type NoteSignature, signatureLine } from './note.ts';

/** Signatures of other algorithms than those that have a number begin their key with this (c2sp.org/signed-note). */
const OTHER_ALGORITHM = Buffer.from('\u00ffopenpgp', 'latin1');

/**
 * Returns what tells an OpenPGP key from others on a note: the first four bytes, in hex, of SHA-256 over the name, a line feed, 0xff,
 * `openpgp` and the fingerprint of the primary key. @param fingerprint in hex
 */
export function openpgpId(name: string, fingerprint: string): string {
  const preimage = Buffer.concat([Buffer.from(`${name}\n`), OTHER_ALGORITHM, Buffer.from(fingerprint, 'hex')]);
  return hash('sha256', preimage, 'buffer').subarray(0, 4).toString('hex');
}

/** Adds a line with a signature to a note. */
export function withSignature(note: Uint8Array, signature: NoteSignature): Buffer {
  return Buffer.concat([note, Buffer.from(signatureLine(signature))]);
}
