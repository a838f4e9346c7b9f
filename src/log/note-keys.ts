import { hash } from 'node:crypto';
import { isSignedBy, KEY_BYTES, publicKeyOf, signWithSeed } from './ed25519.ts';
import { type LogPlace, logFault } from './log-fault.ts';
import { fromBase64 } from './strict-text.ts';

/** Keys that sign notes (c2sp.org/signed-note), in the text forms that Go's sumdb/note has. */

/** The algorithms that are known here. A log signs as `ed25519`; a witness, with the time, as `cosignature`. */
const TYPES = { ed25519: 0x01, cosignature: 0x04 } as const;
export type KeyType = keyof typeof TYPES;

/** A public key with its name. */
export interface NoteKey {
  readonly name: string;
  readonly type: KeyType;
  /** Four bytes in hex; tells keys of one name apart and proves nothing. */
  readonly id: string;
  readonly publicKey: Buffer;
}

/** A key that can sign. */
export interface NoteSigner extends NoteKey {
  sign(bytes: Uint8Array): Buffer;
}

const PRIVATE_PREFIX = 'PRIVATE+KEY+';
const VKEY_HINT =
  'It must be NAME+ID+KEY on one line, as whoever has the key prints it ("atomic-nightly log show" for a log).';
const WITNESS_KEY_HINT = 'Name the file that "atomic-nightly witness --new-key" made, or put it back from a backup.';
const KEY_HINT = 'Put the key back from a backup; a log cannot go on under another one.';

/** Whether a text can name a key: no blank and no plus, which separate it from what follows. */
export function isKeyName(name: string): boolean {
  return name !== '' && !/[\s+\p{Cc}\p{Cs}]/u.test(name);
}

/** Returns the text form of a public key: `NAME+ID+BASE64`. */
export function formatVkey({ name, id, type, publicKey }: NoteKey): string {
  return `${name}+${id}+${typed(type, publicKey).toString('base64')}`;
}

/** Reads the text form of a public key. @throws NightlyError `log` for any other, and for algorithms that are not known here. */
export function parseVkey(text: string, place: LogPlace): NoteKey {
  const parsed = parseParts(text);
  const refuse = (why: string) => logFault(place, `This is no key of a log or witness: ${why}.`, VKEY_HINT);
  if (!parsed) throw refuse('it is not NAME+ID+KEY');
  const { name, id, type, bytes } = parsed;
  if (type === undefined)
    throw refuse('its algorithm is none of those that are known here (Ed25519 and its cosignatures)');
  if (bytes.length !== KEY_BYTES) throw refuse(`its key has ${bytes.length} bytes instead of ${KEY_BYTES}`);
  const key = noteKey(name, type, bytes);
  if (key.id !== id) throw refuse(`its id is ${id}, that of its name and key is ${key.id}`);
  return key;
}

/** Returns a public key with its id. */
export function noteKey(name: string, type: KeyType, publicKey: Buffer): NoteKey {
  return { name, type, publicKey, id: keyDigest({ name, type, publicKey }).subarray(0, 4).toString('hex') };
}

/** Returns the SHA-256 of which the first four bytes are a key's id. */
export function keyDigest({ name, type, publicKey }: Omit<NoteKey, 'id'>): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed(type, publicKey)]), 'buffer');
}

/** Returns what signs with a private key. */
export function noteSigner(name: string, type: KeyType, seed: Uint8Array): NoteSigner {
  return { ...noteKey(name, type, publicKeyOf(seed)), sign: (bytes) => signWithSeed(bytes, seed) };
}

/** Returns the text form of a private key of a log or a witness, as its file has it: one line. */
export function formatPrivateKey(name: string, seed: Uint8Array, type: KeyType = 'ed25519'): string {
  const { id } = noteSigner(name, type, seed);
  return `${PRIVATE_PREFIX}${name}+${id}+${typed(type, seed).toString('base64')}\n`;
}

/** Reads the text form of a private key of a log or a witness. @throws NightlyError `log`; no message holds any of the key. */
export function parsePrivateKey(text: string, place: LogPlace, type: KeyType = 'ed25519'): NoteSigner {
  const line = text.replace(/\r?\n$/, '');
  const parsed = line.startsWith(PRIVATE_PREFIX) ? parseParts(line.slice(PRIVATE_PREFIX.length)) : undefined;
  const refuse = (why: string) =>
    type === 'ed25519'
      ? logFault(place, `This is no private key of a log: ${why}.`, KEY_HINT)
      : logFault(place, `This is no private key of a witness: ${why}.`, WITNESS_KEY_HINT);
  if (!parsed) throw refuse('it is not PRIVATE+KEY+NAME+ID+KEY');
  if (parsed.type !== type || parsed.bytes.length !== KEY_BYTES) throw refuse('it is not an Ed25519 key of that kind');
  const signer = noteSigner(parsed.name, type, parsed.bytes);
  if (signer.id !== parsed.id) throw refuse('its id is not that of its name and key');
  return signer;
}

/** Whether a signature is that of a key of type `ed25519` over these bytes. */
export function isSigned(key: NoteKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  return isSignedBy(key.publicKey, bytes, signature);
}

function typed(type: KeyType, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(TYPES[type]), bytes]);
}

/** The key has pluses of its own: only the first two separate. */
function parseParts(text: string) {
  const [, name, id, key] = /^([^+]+)\+([0-9a-f]{8})\+([^\s]+)$/s.exec(text) ?? [];
  const bytes = key === undefined ? undefined : fromBase64(key);
  if (name === undefined || id === undefined || bytes === undefined || bytes.length === 0 || !isKeyName(name))
    return undefined;
  const type = typesByByte.get(bytes.readUInt8(0));
  return { name, id, type, bytes: bytes.subarray(1) };
}

const typesByByte = new Map<number, KeyType>([
  [TYPES.ed25519, 'ed25519'],
  [TYPES.cosignature, 'cosignature'],
]);
