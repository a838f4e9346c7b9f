import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** Ed25519 with raw keys of 32 bytes, as logs have them; Node's own take them in DER only (RFC 8410). */

export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** Returns the public half of a private key. */
export function publicKeyOf(seed: Uint8Array): Buffer {
  return createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES);
}

/** Signs. The same bytes give the same signature each time. */
export function signWithSeed(bytes: Uint8Array, seed: Uint8Array): Buffer {
  return sign(null, bytes, privateKey(seed));
}

/** Whether a signature is that of a public key over these bytes. */
export function isSignedBy(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, publicKey]), format: 'der', type: 'spki' });
  return verify(null, bytes, key, signature);
}

function privateKey(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' });
}
