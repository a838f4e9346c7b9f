import { z } from 'zod';
import { readRecord, recordFormat } from '../base/read-record.ts';
import { openCheckpoint } from '../log/checkpoint.ts';
import { isIncluded } from '../log/inclusion.ts';
import { logFault } from '../log/log-fault.ts';
import { leafHash } from '../log/merkle.ts';
import { keyDigest, type NoteKey } from '../log/note-keys.ts';
import { fromBase64, hashFromBase64, sizeFromText } from '../log/strict-text.ts';

/**
 * Entries of a Rekor log, version 2 (github.com/sigstore/rekor-tiles): a `hashedrekord` has the digest of what was signed, the signature
 * and the public key. Of a signed statement that is the digest of the bytes that the signature is over (DSSE's PAE).
 */

/** A signature as the log is to have it. */
export interface LoggedSignature {
  /** SHA-256 of the signed bytes. */
  readonly digest: Uint8Array;
  /** ECDSA, in DER. */
  readonly signature: Uint8Array;
  /** SubjectPublicKeyInfo in DER, of a key on the curve P-256. */
  readonly publicKey: Uint8Array;
}

const ALGORITHM = 'PKIX_ECDSA_P256_SHA_256';
const KIND = { kind: 'hashedrekord', version: '0.0.2' } as const;

/** A tree of 2^63 leaves has no longer proof. */
const MOST_HASHES = 63;

/** Returns bytes in base64, as JSON that is made of protocol buffers has them. */
export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const encoded = z.string().refine((text) => fromBase64(text) !== undefined, 'must be base64');
const hash = z.string().refine((text) => hashFromBase64(text) !== undefined, 'must be the base64 of 32 bytes');
const number = z.string().refine((text) => sizeFromText(text) !== undefined, 'must be a number in decimal');

const proof = z.looseObject({
  // What is zero or empty may be left out of JSON that is made of protocol buffers.
  logIndex: number.exactOptional(),
  rootHash: hash,
  treeSize: number,
  hashes: z.array(hash).max(MOST_HASHES).exactOptional(),
  checkpoint: z.looseObject({ envelope: z.string() }),
});

/** What a log answers, and a bundle keeps: `TransparencyLogEntry` of sigstore's protobuf-specs. */
export const REKOR_ENTRY = recordFormat({
  schema: z.looseObject({
    logIndex: number.exactOptional(),
    logId: z.looseObject({ keyId: encoded }),
    inclusionProof: proof,
    canonicalizedBody: encoded,
  }),
  hint: 'The address of the log must be that of a Rekor server, version 2.',
});

const BODY = recordFormat({
  schema: z.looseObject({
    apiVersion: z.literal(KIND.version),
    kind: z.literal(KIND.kind),
    spec: z.looseObject({
      hashedRekordV002: z.looseObject({
        data: z.looseObject({ algorithm: z.literal('SHA2_256'), digest: encoded }),
        signature: z.looseObject({
          content: encoded,
          verifier: z.looseObject({
            keyDetails: z.literal(ALGORITHM),
            publicKey: z.looseObject({ rawBytes: encoded }),
          }),
        }),
      }),
    }),
  }),
  hint: 'The entry is of another kind than the one that was asked for.',
});

/** An entry as it stands in a bundle. */
export interface RekorEntry {
  readonly logIndex: string;
  readonly logId: { readonly keyId: string };
  readonly kindVersion: typeof KIND;
  /** The log tells no time. */
  readonly integratedTime: '0';
  readonly inclusionProof: {
    readonly logIndex: string;
    readonly rootHash: string;
    readonly treeSize: string;
    readonly hashes: readonly string[];
    readonly checkpoint: { readonly envelope: string };
  };
  readonly canonicalizedBody: string;
}

/** Returns the body of the request that has a signature logged. */
export function rekorRequest({ digest, signature, publicKey }: LoggedSignature): string {
  const verifier = { publicKey: { rawBytes: base64(publicKey) }, keyDetails: ALGORITHM };
  return JSON.stringify({
    hashedRekordRequestV002: { digest: base64(digest), signature: { content: base64(signature), verifier } },
  });
}

/** Reads an answer, of which nothing is verified yet. @param place the URL @throws NightlyError `record` */
export function parseRekorEntry(bytes: Uint8Array, place: string): RekorEntry {
  const { logIndex, logId, inclusionProof, canonicalizedBody } = readRecord(bytes, REKOR_ENTRY, place);
  const { rootHash, treeSize, hashes = [], checkpoint } = inclusionProof;
  return entryOf(
    { logIndex: logIndex ?? '0', keyId: logId.keyId, canonicalizedBody },
    { logIndex: inclusionProof.logIndex ?? '0', rootHash, treeSize, hashes, envelope: checkpoint.envelope },
  );
}

type Proof = Omit<RekorEntry['inclusionProof'], 'checkpoint'> & { readonly envelope: string };

function entryOf(
  {
    logIndex,
    keyId,
    canonicalizedBody,
  }: Pick<RekorEntry, 'logIndex' | 'canonicalizedBody'> & { readonly keyId: string },
  { envelope, ...proof }: Proof,
): RekorEntry {
  return {
    logIndex,
    logId: { keyId },
    kindVersion: KIND,
    integratedTime: '0',
    inclusionProof: { ...proof, checkpoint: { envelope } },
    canonicalizedBody,
  };
}

/** What an entry of a log is made of. */
export interface ProvenEntry {
  readonly index: number;
  readonly body: Uint8Array;
  readonly size: number;
  readonly root: Uint8Array;
  /** The leaf's sibling first. */
  readonly hashes: readonly Uint8Array[];
  /** The note with its signatures. */
  readonly checkpoint: string;
}

/** Returns an entry that was found in the log's tiles as the log itself would have answered with it. */
export function rekorEntry(entry: ProvenEntry, key: NoteKey): RekorEntry {
  const { index, body, size, root, hashes, checkpoint } = entry;
  const logIndex = String(index);
  return entryOf(
    { logIndex, keyId: base64(keyDigest(key)), canonicalizedBody: base64(body) },
    { logIndex, rootHash: base64(root), treeSize: String(size), hashes: hashes.map(base64), envelope: checkpoint },
  );
}

/**
 * Verifies that an entry is of a signature, and in the log with that key.
 * @param place the URL, for messages
 * @throws NightlyError `log`, `record` when it is another's, or is not proven.
 */
export function verifyRekorEntry(entry: RekorEntry, wanted: LoggedSignature, key: NoteKey, place: string): void {
  const refuse = (why: string) => logFault({ file: place }, `This entry of the log proves nothing: ${why}.`);
  const body = Buffer.from(entry.canonicalizedBody, 'base64');
  const { data, signature } = readRecord(body, BODY, place).spec.hashedRekordV002;
  const isOurs =
    data.digest === base64(wanted.digest) &&
    signature.content === base64(wanted.signature) &&
    signature.verifier.publicKey.rawBytes === base64(wanted.publicKey);
  if (!isOurs) throw refuse('it is of another signature');
  const { logIndex, rootHash, treeSize, hashes, checkpoint } = entry.inclusionProof;
  if (logIndex !== entry.logIndex) throw refuse(`it is entry ${entry.logIndex}, and its proof of ${logIndex}`);
  if (Buffer.from(entry.logId.keyId, 'base64').subarray(0, 4).toString('hex') !== key.id)
    throw refuse('it names another key of the log');
  const [index, size] = [Number(logIndex), Number(treeSize)];
  const root = Buffer.from(rootHash, 'base64');
  const way = hashes.map((one) => Buffer.from(one, 'base64'));
  if (!isIncluded({ index, size, leaf: leafHash(body), root }, way))
    throw refuse('its proof does not lead to the root');
  const signed = openCheckpoint(Buffer.from(checkpoint.envelope), { log: key }, { file: place });
  if (signed.size !== size || !signed.root.equals(root)) throw refuse('its checkpoint is that of another tree');
}
