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
import type { OpenpgpConfig } from '../config/config.ts';
import { NightlyError } from '../errors.ts';
import { readSecretFile } from '../tools/secret-file.ts';
import { keyInfo, messageOf, OPENPGP_CONFIG, refuseUnusable } from './key-info.ts';
import { dearmored } from './packets.ts';
import { readPassphrase } from './passphrase.ts';
import type { Signable, Signer } from './signer.ts';
import { signingFile } from './signing-file.ts';

/** Signs in this process with a private key out of a file. */
export function openpgpSigner({ keyFile, passphrase }: OpenpgpConfig): Signer {
  const readKey = async (): Promise<PrivateKey> => {
    const binaryKey = dearmored(await readSecretFile(keyFile, signingFile('private key')));
    return readPrivateKey({ binaryKey, config: OPENPGP_CONFIG }).catch((error: unknown) => {
      throw new NightlyError('signing', `${keyFile} holds no private OpenPGP key: ${messageOf(error)}.`, {
        hint: 'Make one with "atomic-nightly keys generate", or export one with "gpg --export-secret-keys".',
      });
    });
  };
  // The decrypted key stays for the run: every file of a build is signed with it.
  let opened: Promise<PrivateKey> | undefined;
  const open = async (): Promise<PrivateKey> => {
    const locked = await readKey();
    refuseUnusable([await keyInfo(locked, new Date())]);
    if (isOpen(locked)) return locked;
    if (!passphrase) {
      throw new NightlyError(
        'signing',
        `The private key ${keyFile} is encrypted, and no passphrase is configured for it.`,
        {
          hint: 'Set passphrase-file, passphrase-env or passphrase-credential beside key-file.',
        },
      );
    }
    const words = await readPassphrase(passphrase);
    // What openpgp.js throws stays here: it had the passphrase.
    const key = await decryptKey({ privateKey: locked, passphrase: words, config: OPENPGP_CONFIG }).catch(
      () => undefined,
    );
    if (key) return key;
    throw new NightlyError(
      'signing',
      `The passphrase (${sourceOf(passphrase)}) does not open the private key ${keyFile}.`,
      {
        hint: `Check that it belongs to this key: "gpg --import ${keyFile}" asks for it, in a GnuPG home for trying.`,
      },
    );
  };
  const openOnce = (): Promise<PrivateKey> => (opened ??= open());
  return {
    publicKey: async () => (await readKey()).toPublic().write(),
    check: async () => void (await openOnce()),
    async sign(what, task) {
      task.signal.throwIfAborted();
      const signingKeys = await openOnce();
      try {
        return await signWith(signingKeys, what);
      } catch (error) {
        const signed = what instanceof Uint8Array ? '' : ` ${what.file}`;
        throw new NightlyError('signing', `The key in ${keyFile} did not sign${signed}: ${messageOf(error)}.`, {
          hint: 'Check that what is to be signed can be read and the key has not expired meanwhile ("atomic-nightly keys show").',
        });
      }
    },
  };
}

/** As `SignaturePacket.sign` is in version 6.3; its declaration lacks the last argument, and that data may be a stream. */
interface StreamingPacket {
  sign(
    key: Key['keyPacket'] | Subkey['keyPacket'],
    data: { readonly text: null; getBytes(): ReadableStream<Uint8Array> | Uint8Array },
    date: Date,
    detached: true,
    config: Config,
  ): Promise<void>;
}

/**
 * Signs packet by packet, because `sign()` of openpgp.js keeps all of a stream in memory: it hands the message on beside the
 * signature, and nobody reads it.
 */
async function signWith(key: PrivateKey, what: Signable): Promise<Uint8Array> {
  const now = new Date();
  const { keyPacket } = await key.getSigningKey(undefined, now, undefined, OPENPGP_CONFIG);
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

/** Whether every part of it that is there can be used without a passphrase. */
function isOpen(key: PrivateKey): boolean {
  return key.isDecrypted();
}

function sourceOf(source: NonNullable<OpenpgpConfig['passphrase']>): string {
  if ('file' in source) return `of ${source.file}`;
  return 'env' in source ? `of the environment variable ${source.env}` : `of the credential ${source.credential}`;
}
