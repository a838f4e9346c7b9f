import { createPublicKey, verify } from 'node:crypto';
import { dearmored } from '../base/openpgp-packets.ts';
import { readPublicFile } from '../base/secret-file.ts';
import type { Task } from '../base/task.ts';
import { readKeyInfo } from './key-info.ts';
import { signingFile } from './signing-file.ts';
import { isSignedByOne } from './verify-detached.ts';

/** Public keys of which one must have signed. */
export interface VerifyKeys {
  /** OpenPGP keys, binary, one behind another. */
  readonly openpgp: Uint8Array;
  /** Public ed25519 keys, 32 bytes each, as `ostree sign` takes them. */
  readonly ed25519: readonly Uint8Array[];
}

/** Signatures over the same bytes, by their kind. */
export interface SignaturesByKind {
  readonly openpgp: readonly Uint8Array[];
  readonly ed25519: readonly Uint8Array[];
}

/**
 * Reads files with public keys: OpenPGP, armored or binary, or ed25519, in base64, a key a line.
 * @throws NightlyError `signing` for a file that is not there or holds neither.
 */
export async function readVerifyKeys(files: readonly string[]): Promise<VerifyKeys> {
  const [openpgp, ed25519]: [Uint8Array[], Uint8Array[]] = [[], []];
  for (const file of files) {
    const bytes = await readPublicFile(file, signingFile('public key'));
    const lines = bytes
      .toString('latin1')
      .split('\n')
      .filter((line) => line.trim() !== '');
    if (lines.length > 0 && lines.every((line) => ED25519_LINE.test(line.trim()))) {
      ed25519.push(...lines.map((line) => Buffer.from(line, 'base64')));
      continue;
    }
    const key = dearmored(bytes);
    await readKeyInfo(key, file);
    openpgp.push(key);
  }
  return { openpgp: Buffer.concat(openpgp), ed25519 };
}

const ED25519_LINE = /^[A-Za-z0-9+/]{43}=$/;

/** Whether one of the keys made one of the signatures over these bytes. */
export async function isVerified(
  keys: VerifyKeys,
  what: Uint8Array,
  signatures: SignaturesByKind,
  task: Task,
): Promise<boolean> {
  for (const key of keys.ed25519) {
    if (signatures.ed25519.some((signature) => verify(null, what, ed25519Key(key), signature))) return true;
  }
  return keys.openpgp.length > 0 && isSignedByOne(keys.openpgp, what, signatures.openpgp, task);
}

/** RFC 8410: the header of such a key in SubjectPublicKeyInfo. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

const ed25519Key = (key: Uint8Array) =>
  createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' });
