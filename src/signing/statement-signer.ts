import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { NightlyError } from '../base/errors.ts';
import { readPublicFile, readSecretFile } from '../base/secret-file.ts';
import type { Task } from '../base/task.ts';
import type { StatementKeyConfig } from '../config/config.ts';
import { type Answer, askSigningProgram, requireSigningProgram } from './ask-command.ts';
import { readPassphrase } from './passphrase.ts';
import { signingFile } from './signing-file.ts';

/**
 * Who signs statements, with a key on the curve P-256: the one kind that cosign, openssl and every transparency service take. Keys
 * of OpenPGP are another matter (signer.ts).
 */
export interface StatementSigner {
  /** An ECDSA signature over SHA-256 of the bytes, in DER. @throws NightlyError `signing`. */
  sign(bytes: Uint8Array, task: Task): Promise<Uint8Array>;
  /** The public key. @throws NightlyError `signing`. */
  publicKey(): Promise<KeyObject>;
  /** Finds, before any work is done, a key that is not there or cannot sign. @throws NightlyError `signing`. */
  check(): Promise<void>;
}

/** Returns the signer that a configuration describes. Nothing is read yet. */
export function openStatementSigner(config: StatementKeyConfig): StatementSigner {
  return config.type === 'command' ? commandSigner(config) : fileSigner(config);
}

const HINT =
  'Make one with "openssl ecparam -name prime256v1 -genkey -noout -out FILE", and let only its owner read it.';

function fileSigner({ keyFile, passphrase }: Extract<StatementKeyConfig, { type: 'key-file' }>): StatementSigner {
  const open = async (): Promise<KeyObject> => {
    const pem = await readSecretFile(keyFile, signingFile('private key'));
    const words = passphrase === undefined ? undefined : await readPassphrase(passphrase);
    try {
      return requireP256(createPrivateKey({ key: pem, passphrase: words ?? '' }), keyFile);
    } catch (error) {
      if (error instanceof NightlyError) throw error;
      // What OpenSSL says of a wrong passphrase is no help, and may have some of it.
      const why = words === undefined ? 'holds no private key in PEM that opens without a passphrase' : 'does not open';
      throw new NightlyError('signing', `The key of statements ${keyFile} ${why}.`, { hint: HINT });
    }
  };
  let opened: Promise<KeyObject> | undefined;
  const openOnce = (): Promise<KeyObject> => (opened ??= open());
  return {
    sign: async (bytes) => new Uint8Array(sign('sha256', bytes, await openOnce())),
    publicKey: async () => createPublicKey(await openOnce()),
    check: async () => {
      await openOnce();
    },
  };
}

function commandSigner(config: Extract<StatementKeyConfig, { type: 'command' }>): StatementSigner {
  const { publicKeyFile } = config;
  const publicKey = async (): Promise<KeyObject> => {
    const pem = await readPublicFile(publicKeyFile, signingFile('public key'));
    try {
      return requireP256(createPublicKey(pem), publicKeyFile);
    } catch (error) {
      if (error instanceof NightlyError) throw error;
      throw new NightlyError('signing', `${publicKeyFile} holds no public key in PEM.`, {
        hint: 'It begins with "BEGIN PUBLIC KEY"; "openssl ec -in KEY -pubout" prints it.',
      });
    }
  };
  return {
    publicKey,
    async check() {
      await publicKey();
      await requireSigningProgram(config.command, 'attestations');
    },
    async sign(bytes, task) {
      const key = await publicKey();
      return askSigningProgram(config, bytes, answerOf(bytes, key), task);
    },
  };
}

/** A signature counts only if the public key that people are given verifies it. */
function answerOf(bytes: Uint8Array, key: KeyObject): Answer {
  return {
    signatureIn: (output) => {
      const text = Buffer.from(output).toString('latin1').trim();
      const forms = [output, Buffer.from(text, 'base64')];
      return forms.find((form) => verify('sha256', bytes, key, form));
    },
    kind: 'signature of its public key',
    wanted: 'one ECDSA signature over the SHA-256 of its input, in DER or base64 of it,',
  };
}

/** @throws NightlyError `signing` for keys of other kinds. */
function requireP256(key: KeyObject, file: string): KeyObject {
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  throw new NightlyError('signing', `The key in ${file} is not on the curve P-256.`, { hint: HINT });
}
