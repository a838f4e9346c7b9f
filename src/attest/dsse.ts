import { type KeyObject, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';
import { damaged, readRecord, recordFormat } from '../base/read-record.ts';
import { fromBase64 } from '../log/strict-text.ts';

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

/**
 * Returns the envelope of a statement with its signatures, which are as the key's algorithm makes them. It names no key: the specification
 * calls that a hint, but programs skip a signature whose key has another name with them, and each language's has another (in Go, with
 * cosign, that of ssh).
 */
export function envelopeOf(payload: Uint8Array, signatures: readonly Uint8Array[]): Envelope {
  const base64Of = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return {
    payloadType: STATEMENT_TYPE,
    payload: base64Of(payload),
    signatures: signatures.map((sig) => ({ keyid: '', sig: base64Of(sig) })),
  };
}

/** Returns the line of a `.intoto.jsonl` file that holds a statement with its signature. */
export function envelopeLine(payload: Uint8Array, sig: Uint8Array): string {
  return `${JSON.stringify(envelopeOf(payload, [sig]))}\n`;
}

const verifyAside = promisify(verify);

/** A longer envelope is nobody's statement of ours. */
const MOST_BYTES = 1_048_576;

const base64 = z.string().refine((text) => fromBase64(text) !== undefined, 'must be base64');

const HINT = 'Ask whoever sent it for the file as it was written.';

// Further members are for others, as the specification has it.
const ENVELOPE = recordFormat({
  schema: z.looseObject({
    payloadType: z.literal(STATEMENT_TYPE),
    payload: base64,
    signatures: z.array(z.looseObject({ keyid: z.string().exactOptional(), sig: base64 })).min(1),
  }),
  hint: HINT,
});

/** A statement with its signatures, of which none has been verified. */
export interface OpenedEnvelope {
  readonly payload: Buffer;
  /** Bytes as the keys' algorithms make them. */
  readonly signatures: readonly Uint8Array[];
}

/**
 * Reads an envelope that holds one in-toto statement.
 * @param place the file, for messages
 * @throws NightlyError `record` when it is not one.
 */
export function parseEnvelope(content: Uint8Array, place: string): OpenedEnvelope {
  if (content.length > MOST_BYTES) throw damaged(place, `it has more than ${MOST_BYTES} bytes`, HINT);
  const { payload, signatures } = readRecord(content, ENVELOPE, place);
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
  return { payload: bytes(payload), signatures: signatures.map(({ sig }) => bytes(sig)) };
}

/**
 * Whether an ECDSA key on the curve P-256 made one of the signatures. The id of a key in the envelope says nothing. Other threads do it:
 * who has a thousand to look at reads the next meanwhile.
 */
export async function isSignedBy({ payload, signatures }: OpenedEnvelope, key: KeyObject): Promise<boolean> {
  const bytes = signedBytes(STATEMENT_TYPE, payload);
  for (const signature of signatures) if (await verifyAside('sha256', bytes, key, signature)) return true;
  return false;
}
