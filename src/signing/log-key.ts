import { createPrivateKey, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { keepSecret } from '../base/redact.ts';
import { type FilePurpose, makeSecretFile, readSecretFile } from '../base/secret-file.ts';
import type { LogConfig, LogKeySource } from '../config/config.ts';
import { formatPrivateKey, type NoteSigner, noteSigner, parsePrivateKey } from '../log/note-keys.ts';

/** The private key of the release log, an Ed25519 key named after the log. */

const PURPOSE: FilePurpose = {
  what: 'key of the release log',
  code: 'signing',
  exposed: 'whoever read it can sign another log of that name: begin a new log (docs/release-log.md)',
  missing:
    'A new log begins with "atomic-nightly log init"; the key of one that is there has to come back from a backup.',
};

const SEED_BYTES = 32;

/**
 * Reads the key of the log. Its file has the one line that Go's sumdb/note and most programs for logs have
 * (`PRIVATE+KEY+NAME+ID+BASE64`), or PEM, as `openssl genpkey -algorithm ed25519` writes it.
 * @throws NightlyError `signing`, `log`; no message holds any of the key.
 */
export async function openLogKey({ key, origin }: Pick<LogConfig, 'key' | 'origin'>): Promise<NoteSigner> {
  const path = logKeyPath(key);
  const text = (await readSecretFile(path, PURPOSE)).toString('latin1');
  keepSecret(text.trim());
  if (text.includes('-----BEGIN')) return noteSigner(origin, 'ed25519', seedOf(text, path));
  const signer = parsePrivateKey(text, { file: path });
  if (signer.name === origin) return signer;
  throw new NightlyError('config', `The key in ${path} is that of the log ${signer.name}, not of ${origin}.`, {
    hint: `A log keeps its name when its address changes: write "origin: ${signer.name}" under "log", or begin a new log with a new key.`,
  });
}

/** Returns the file that a key is read from. @throws NightlyError `signing` for a credential outside a service. */
export function logKeyPath(source: LogKeySource): string {
  if ('file' in source) return source.file;
  const folder = process.env['CREDENTIALS_DIRECTORY'];
  if (folder !== undefined) return join(folder, source.credential);
  throw new NightlyError(
    'signing',
    `There is no systemd credential "${source.credential}": CREDENTIALS_DIRECTORY is not set.`,
    { hint: `Run this as a systemd service with LoadCredential=${source.credential}:/path, or use key-file.` },
  );
}

/**
 * Makes the key of a new log: a file that only its owner may read. One that is there stays.
 * @returns whether it was made
 */
export function makeLogKey(path: string, origin: string): Promise<boolean> {
  return makeSecretFile(path, formatPrivateKey(origin, randomBytes(SEED_BYTES)));
}

function seedOf(pem: string, path: string): Buffer {
  const refuse = (why: string) =>
    new NightlyError('signing', `The key of the release log ${path} ${why}.`, {
      hint: 'It must be an Ed25519 key without a passphrase, in PEM ("openssl genpkey -algorithm ed25519") or as "log init" makes it.',
    });
  const key = (() => {
    try {
      return createPrivateKey(pem);
    } catch {
      // What OpenSSL says is no help, and may have some of it.
      throw refuse('holds no private key in PEM that opens without a passphrase');
    }
  })();
  if (key.asymmetricKeyType !== 'ed25519') throw refuse('is not an Ed25519 key');
  return Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
}
