import { createHash, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { readRecordIfGood, recordFormat } from '../base/read-record.ts';
import { envelopeOf, type OpenedEnvelope } from './dsse.ts';
import { base64, REKOR_ENTRY, type RekorEntry } from './rekor-entry.ts';

/** The format of bundles, in sigstore's protobuf-specs. */
const MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

const BUNDLE = recordFormat({
  schema: z.looseObject({
    mediaType: z.literal(MEDIA_TYPE),
    verificationMaterial: z.looseObject({ tlogEntries: z.tuple([z.looseObject({ logIndex: z.string() })]) }),
    dsseEnvelope: z.looseObject({
      payload: z.string(),
      signatures: z.tuple([z.looseObject({ sig: z.string() })]),
    }),
  }),
  hint: REKOR_ENTRY.hint,
});

/** Returns a bundle: a signed statement with the proof that a log has its signature, in one file that is verified without a network. */
export function bundleText({ payload, signatures }: OpenedEnvelope, key: KeyObject, entry: RekorEntry): string {
  const hint = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  const bundle = {
    mediaType: MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint }, tlogEntries: [entry] },
    dsseEnvelope: envelopeOf(payload, signatures),
  };
  return `${JSON.stringify(bundle)}\n`;
}

/** Whether a file is a bundle of that very statement with its signature. */
export function isBundleOf(content: Uint8Array | undefined, { payload, signatures }: OpenedEnvelope): boolean {
  const [signature] = signatures;
  const there = readRecordIfGood(content, BUNDLE)?.dsseEnvelope;
  return signature !== undefined && there?.payload === base64(payload) && there.signatures[0].sig === base64(signature);
}
