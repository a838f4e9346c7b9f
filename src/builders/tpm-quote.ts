import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { NightlyError } from '../base/errors.ts';
import { readPublicFile } from '../base/secret-file.ts';
import { signingFile } from '../signing/signing-file.ts';

/** What a TPM is asked for. */
export interface QuoteRequest {
  /** Persistent handle of the attestation key, as in 0x81010002. */
  readonly handle: number;
  /** Numbers of the registers, SHA-256 bank. */
  readonly pcrs: readonly number[];
  /** What is signed along: 32 bytes that nobody could know before. */
  readonly nonce: Uint8Array;
}

/** Why an answer of a TPM is no quote. */
export class NoQuote extends Error {
  override readonly name = 'NoQuote';
}

/** What a TPM answered. */
export interface Quote {
  /** The structure that was signed, as it came. */
  readonly attested: Buffer;
  readonly nonce: Buffer;
  readonly selections: readonly { readonly hash: number; readonly pcrs: readonly number[] }[];
  /** Digest over the values of the registers, in the order of their numbers. */
  readonly pcrDigest: Buffer;
  readonly signature: { readonly algorithm: number; readonly hash: number; readonly parts: readonly Buffer[] };
}

// TCG, Trusted Platform Module Library 2.0 (rev. 1.59), part 2: section 6 for these constants, 10.12.8 for TPMS_ATTEST, 11.3.4 for
// TPMT_SIGNATURE; part 3, section 18.4 for TPM2_Quote.
const WITH_SESSIONS = 0x8002;
const QUOTE = 0x158;
const PASSWORD_SESSION = 0x40000009;
const NULL_SCHEME = 0x0010;
const SHA256 = 0x000b;
const HASHES: Readonly<Record<number, string>> = { 11: 'sha256', 12: 'sha384', 13: 'sha512' };
const GENERATED = 0xff544347;
const ATTESTED_QUOTE = 0x8018;
const [RSASSA, RSAPSS, ECDSA] = [0x0014, 0x0016, 0x0018];
/** Bytes of a clock's state and the version of the firmware, which decide nothing here. */
const CLOCK_AND_FIRMWARE = 17 + 8;

/** Returns the command TPM2_Quote, for a key without a password whose scheme is its own. */
export function quoteCommand({ handle, pcrs, nonce }: QuoteRequest): Buffer {
  const body = Buffer.concat([
    u32(handle),
    u32(9),
    u32(PASSWORD_SESSION),
    Buffer.alloc(5),
    u16(nonce.length),
    nonce,
    u16(NULL_SCHEME),
    u32(1),
    u16(SHA256),
    bitmap(pcrs),
  ]);
  return Buffer.concat([u16(WITH_SESSIONS), u32(10 + body.length), u32(QUOTE), body]);
}

/** Whether a TPM says that it could not do it just now, as while it tests itself: TPM_RC_RETRY, TPM_RC_YIELDED, TPM_RC_TESTING. */
export function wantsRetry(answer: Buffer): boolean {
  return answer.length === 10 && [0x922, 0x908, 0x90a].includes(answer.readUInt32BE(6));
}

/**
 * Reads the answer of a TPM.
 * @throws NoQuote saying what is wrong with it: an error code of the TPM, or an answer that is not one to TPM2_Quote
 */
export function parseQuote(answer: Buffer): Quote {
  if (answer.length === 0) throw new NoQuote('it does not answer');
  const whole = reader(answer);
  const [tag, size, code] = [whole.u16(), whole.u32(), whole.u32()];
  if (size !== answer.length) throw new NoQuote(`its answer has ${answer.length} bytes instead of ${size}`);
  if (code !== 0) throw new NoQuote(`it answers with the error 0x${code.toString(16)}`);
  if (tag !== WITH_SESSIONS) throw new NoQuote('its answer has no session');
  const parameters = reader(whole.bytes(whole.u32()));
  const attested = parameters.sized();
  const [algorithm, hash] = [parameters.u16(), parameters.u16()];
  const parts = algorithm === ECDSA ? [parameters.sized(), parameters.sized()] : [parameters.sized()];
  parameters.end();
  return { attested, ...parseAttested(attested), signature: { algorithm, hash, parts } };
}

function parseAttested(attested: Buffer): Pick<Quote, 'nonce' | 'selections' | 'pcrDigest'> {
  const from = reader(attested);
  if (from.u32() !== GENERATED || from.u16() !== ATTESTED_QUOTE) throw new NoQuote('what it signed is no quote');
  from.sized();
  const nonce = from.sized();
  from.bytes(CLOCK_AND_FIRMWARE);
  const selections: { hash: number; pcrs: number[] }[] = [];
  for (let left = from.u32(); left > 0; left -= 1) {
    const hash = from.u16();
    const bits = from.bytes(from.u8());
    selections.push({ hash, pcrs: [...bits.entries()].flatMap(([index, byte]) => bitsOf(byte, index * 8)) });
  }
  const pcrDigest = from.sized();
  from.end();
  return { nonce, selections, pcrDigest };
}

/**
 * Says what is wrong with a quote; undefined for one that the enrolled key signed over this question.
 * @param key public half of the attestation key
 */
export function faultOfQuote(quote: Quote, { pcrs, nonce }: QuoteRequest, key: KeyObject): string | undefined {
  if (!isSignedBy(quote, key)) return 'is not signed by the key that was enrolled';
  if (!quote.nonce.equals(nonce)) return 'answers another question, as one that was kept from earlier does';
  const [selection, ...others] = quote.selections;
  const asked = [...new Set(pcrs)].sort((a, b) => a - b);
  if (others.length > 0 || selection?.hash !== SHA256 || selection.pcrs.join() !== asked.join())
    return 'is about other registers';
  return undefined;
}

function isSignedBy({ attested, signature: { algorithm, hash, parts } }: Quote, key: KeyObject): boolean {
  const digest = HASHES[hash];
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = parts;
  if (digest === undefined) return false;
  if (key.asymmetricKeyType === 'rsa' && algorithm === RSASSA) return verify(digest, attested, key, first);
  if (key.asymmetricKeyType === 'rsa' && algorithm === RSAPSS) {
    const padding = { padding: 6, saltLength: createHash(digest).digest().length };
    return verify(digest, attested, { key, ...padding }, first);
  }
  if (key.asymmetricKeyType !== 'ec' || algorithm !== ECDSA) return false;
  const width = { prime256v1: 32, secp384r1: 48, secp521r1: 66 }[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (width === undefined || first.length > width || second.length > width) return false;
  const padded = [first, second].map((part) => Buffer.concat([Buffer.alloc(width - part.length), part]));
  return verify(digest, attested, { key, dsaEncoding: 'ieee-p1363' }, Buffer.concat(padded));
}

/** Reads the public half of an attestation key, in PEM. @throws NightlyError `signing` */
export async function readAttestationKey(file: string): Promise<KeyObject> {
  const pem = await readPublicFile(file, signingFile('public key'));
  const hint = 'Its operator writes it with "tpm2_readpublic -c HANDLE -f pem -o FILE".';
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === 'ec' || key.asymmetricKeyType === 'rsa') return key;
  } catch (error) {
    throw new NightlyError('signing', `${file} holds no public key in PEM.`, { hint, cause: error });
  }
  throw new NightlyError('signing', `The key in ${file} is neither RSA nor on a NIST curve.`, { hint });
}

const bitsOf = (byte: number, from: number): number[] =>
  [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte & (1 << bit)) !== 0).map((bit) => from + bit);

/** TPMS_PCR_SELECTION without its hash: a length and that many bytes, the lowest register in the lowest bit. */
function bitmap(pcrs: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4, 0);
  bytes[0] = 3;
  for (const pcr of pcrs) bytes[1 + (pcr >> 3)] = (bytes[1 + (pcr >> 3)] ?? 0) | (1 << (pcr & 7));
  return bytes;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Reads numbers and lengths of the TPM, most significant byte first. */
function reader(bytes: Buffer) {
  let at = 0;
  const take = (count: number): Buffer => {
    if (at + count > bytes.length) throw new NoQuote('its answer is cut short');
    at += count;
    return bytes.subarray(at - count, at);
  };
  const u16 = (): number => take(2).readUInt16BE();
  return {
    u8: () => take(1).readUInt8(),
    u16,
    u32: () => take(4).readUInt32BE(),
    bytes: take,
    /** A length of two bytes, and that many. */
    sized: () => take(u16()),
    end: () => {
      if (at !== bytes.length) throw new NoQuote('its answer has more in it than a quote');
    },
  };
}
