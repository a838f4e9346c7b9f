import { createHash, type KeyObject } from 'node:crypto';

/** The payload type of in-toto statements. */
export const STATEMENT_TYPE = 'application/vnd.in-toto+json';

/** A signed payload: https://github.com/secure-systems-lab/dsse/blob/master/envelope.md */
interface Envelope {
  readonly payloadType: string;
  /** Base64, as the signatures are. */
  readonly payload: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** Returns the bytes that a signature of an envelope is over (the specification's PAE). */
export function signedBytes(payloadType: string, payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Returns the line of a `.intoto.jsonl` file that holds a statement with its signature. @param sig as the key's algorithm makes it */
export function envelopeLine(payload: Uint8Array, keyid: string, sig: Uint8Array): string {
  const envelope: Envelope = {
    payloadType: STATEMENT_TYPE,
    payload: Buffer.from(payload).toString('base64'),
    signatures: [{ keyid, sig: Buffer.from(sig).toString('base64') }],
  };
  return `${JSON.stringify(envelope)}\n`;
}

/** Returns the id of a key: SHA-256 of its SubjectPublicKeyInfo in lower-case hex. To readers it is a hint only. */
export function keyId(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}
