import { readSignature } from 'openpgp';
import { parseHeader, SIGNATURE_LIMITS } from '../../src/rpm/signature/header.ts';
import { SIGNATURE_REGION, SIGTAG } from '../../src/rpm/signature/rpm-signature.ts';

/** What koji's hub takes out of a signature header. */

const MD5 = 1004;

const entries = (header: Buffer) => parseHeader(header, SIGNATURE_REGION, SIGNATURE_LIMITS).entries;

/** MD5 over main header and payload, which ties a signature header to its RPM. */
export const sigmd5Of = (header: Buffer): string =>
  entries(header)
    .find(({ tag }) => tag === MD5)
    ?.data.toString('hex') ?? '';

/** Eight hexadecimal digits of the key that signed; empty for an unsigned header. */
export async function signatureKeyId(header: Buffer): Promise<string> {
  const signature = entries(header).find(({ tag }) => tag === SIGTAG.rsaHeader || tag === SIGTAG.dsaHeader);
  if (!signature) return '';
  const read = await readSignature({ binarySignature: new Uint8Array(signature.data) });
  return read.getSigningKeyIDs()[0]?.toHex().slice(-8) ?? '';
}
