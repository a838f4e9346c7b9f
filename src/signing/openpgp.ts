import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import {
  type Config,
  decryptKey,
  enums,
  type Key,
  PacketList,
  type PrivateKey,
  readPrivateKey,
  SignaturePacket,
  type Subkey,
} from 'openpgp';
import { NightlyError } from '../base/errors.ts';
import { dearmored } from '../base/openpgp-packets.ts';
import { readSecretFile } from '../base/secret-file.ts';
import type { OpenpgpConfig } from '../config/config.ts';
import { keyInfo, messageOf, OPENPGP_CONFIG, refuseUnusable } from './key-info.ts';
import { chosenParts, type KeyPart, oldestClientKey, partName, signingParts } from './key-parts.ts';
import { readPassphrase } from './passphrase.ts';
import { rsaPacketSigner } from './rsa-packet.ts';
import type { Signable, Signer } from './signer.ts';
import { signingFile } from './signing-file.ts';

/** Enough for every core, with files read and written meanwhile. */
const AT_A_TIME = 8;

/** Signs in this process with a private key out of a file. */
export function openpgpSigner(config: OpenpgpConfig): Signer {
  const { keyFile } = config;
  // The decrypted key stays for the run: every file of a build is signed with it.
  let opened: Promise<PrivateKey> | undefined;
  const openOnce = (): Promise<PrivateKey> => (opened ??= openKey(config));
  return {
    atATime: AT_A_TIME,
    publicKey: async () => (await readKey(keyFile)).toPublic().write(),
    async clientKey() {
      const key = await readKey(keyFile);
      return oldestClientKey(key.toPublic().write(), (await partsOf(key, config)).map(partName));
    },
    async check() {
      const key = await openOnce();
      // Costs nothing here, and only a signature shows that the private half fits the public one.
      await signWith(key, await partsOf(key, config), new Uint8Array()).catch((error: unknown) => {
        throw new NightlyError('signing', `The key in ${keyFile} cannot sign: ${messageOf(error)}.`, {
          hint: 'Export the whole key again where it was made: "gpg --export-secret-keys".',
        });
      });
    },
    async sign(what, task) {
      task.signal.throwIfAborted();
      const signingKeys = await openOnce();
      try {
        return await signWith(signingKeys, await partsOf(signingKeys, config), what);
      } catch (error) {
        const signed = what instanceof Uint8Array ? '' : ` ${what.file}`;
        throw new NightlyError('signing', `The key in ${keyFile} did not sign${signed}: ${messageOf(error)}.`, {
          hint: 'Check that the data can be read and that the key has not expired in the meantime ("atomic-nightly keys show").',
        });
      }
    },
  };
}

async function readKey(keyFile: string): Promise<PrivateKey> {
  const binaryKey = dearmored(await readSecretFile(keyFile, signingFile('private key')));
  return readPrivateKey({ binaryKey, config: OPENPGP_CONFIG }).catch((error: unknown) => {
    throw new NightlyError('signing', `${keyFile} holds no private OpenPGP key: ${messageOf(error)}.`, {
      hint: 'Make one with "atomic-nightly keys generate", or export one with "gpg --export-secret-keys".',
    });
  });
}

/** Returns the parts to sign with, whose private halves are in the file. */
async function partsOf(
  key: PrivateKey,
  { keyFile, subkeys }: Pick<OpenpgpConfig, 'keyFile' | 'subkeys'>,
): Promise<readonly KeyPart[]> {
  const able = (await signingParts(key, new Date())).filter(hasSecret);
  if (able.length > 0) return chosenParts(able, subkeys, keyFile);
  throw new NightlyError('signing', `${keyFile} lacks the private half of every part of the key that can sign.`, {
    hint: 'Export it again where the key is: "gpg --export-secret-keys", or "--export-secret-subkeys" if a subkey signs.',
  });
}

/** Returns the key of a file, decrypted, so that it can sign. */
async function openKey(config: OpenpgpConfig): Promise<PrivateKey> {
  const { keyFile, passphrase } = config;
  const locked = await readKey(keyFile);
  refuseUnusable([await keyInfo(locked, new Date())]);
  const parts = await partsOf(locked, config);
  if (parts.every(isOpen)) return locked;
  if (!passphrase) {
    throw new NightlyError(
      'signing',
      `The private key ${keyFile} is encrypted, and no passphrase is configured for it.`,
      { hint: 'Set passphrase-file, passphrase-env or passphrase-credential next to key-file.' },
    );
  }
  const words = await readPassphrase(passphrase);
  // What openpgp.js throws stays here: it had the passphrase.
  const key = await decryptKey({ privateKey: locked, passphrase: words, config: OPENPGP_CONFIG }).catch(
    () => undefined,
  );
  // Parts that do not sign may have another passphrase.
  if (key && (await partsOf(key, config)).every(isOpen)) return key;
  throw new NightlyError(
    'signing',
    `The passphrase (${sourceOf(passphrase)}) does not open the private key ${keyFile}.`,
    { hint: `Check that it belongs to this key: "gpg --import ${keyFile}" asks for it, in a scratch GnuPG home.` },
  );
}

/**
 * `SignaturePacket.sign` as it is in version 6.3: its declaration lacks the last argument, and that data may be a
 * stream.
 */
interface StreamingPacket {
  sign(
    key: Key['keyPacket'] | Subkey['keyPacket'],
    data: { readonly text: null; getBytes(): ReadableStream<Uint8Array> | Uint8Array },
    date: Date,
    detached: true,
    config: Config,
  ): Promise<void>;
}

/** What signs with a key that is open; one that is dropped is forgotten. */
const FAST = new WeakMap<object, { readonly sign: ReturnType<typeof rsaPacketSigner> }>();

/**
 * Signs packet by packet, because `sign()` of openpgp.js keeps all of a stream in memory: it hands the message on beside the
 * signature, and nobody reads it.
 */
async function signWith(key: PrivateKey, parts: readonly KeyPart[], what: Signable): Promise<Uint8Array> {
  const signatures: Uint8Array[] = [];
  for (const part of parts) signatures.push(await signWithPart(key, part, what));
  return new Uint8Array(Buffer.concat(signatures));
}

async function signWithPart(key: PrivateKey, part: KeyPart, what: Signable): Promise<Uint8Array> {
  const now = new Date();
  const { keyPacket } = await key.getSigningKey(part.getKeyID(), now, undefined, OPENPGP_CONFIG);
  if (what instanceof Uint8Array) {
    const bySystem = FAST.get(keyPacket) ?? { sign: rsaPacketSigner(keyPacket) };
    FAST.set(keyPacket, bySystem);
    if (bySystem.sign) return bySystem.sign(what, now);
  }
  const packet = new SignaturePacket();
  packet.signatureType = enums.signature.binary;
  packet.publicKeyAlgorithm = keyPacket.algorithm;
  packet.hashAlgorithm = enums.hash.sha512;
  const getBytes = () => (what instanceof Uint8Array ? what : contentOf(what.file));
  const streaming = packet as unknown as StreamingPacket;
  await streaming.sign(keyPacket, { text: null, getBytes }, now, true, OPENPGP_CONFIG);
  const list = new PacketList<SignaturePacket>();
  list.push(packet);
  return whole(list.write());
}

function contentOf(file: string): ReadableStream<Uint8Array> {
  return Readable.toWeb(createReadStream(file, { highWaterMark: 1 << 20 })) as ReadableStream<Uint8Array>;
}

/** What depends on a stream is written as one. */
async function whole(written: Uint8Array | ReadableStream<Uint8Array>): Promise<Uint8Array> {
  if (written instanceof Uint8Array) return written;
  const parts: Uint8Array[] = [];
  for await (const part of written) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

/** Whether a private half is there; gpg leaves a stub where it is not ("--export-secret-subkeys", a card). */
function hasSecret({ keyPacket }: KeyPart): boolean {
  return 'isDummy' in keyPacket && !keyPacket.isDummy();
}

/** Whether a part can be used without a passphrase. */
function isOpen({ keyPacket }: KeyPart): boolean {
  return 'isDecrypted' in keyPacket && keyPacket.isDecrypted() === true;
}

function sourceOf(source: NonNullable<OpenpgpConfig['passphrase']>): string {
  if ('file' in source) return `of ${source.file}`;
  return 'env' in source ? `of the environment variable ${source.env}` : `of the credential ${source.credential}`;
}
