import { z } from 'zod';
import { block, type Here } from './block.ts';
import type { Breach, WrittenAt } from './breach.ts';
import { checkPassphrase, passphraseKeys, signingCommandKeys, withPassphrase } from './private-keys.ts';
import { filePath, nonEmpty, someOf } from './values.ts';

const fingerprint = z
  .string()
  .regex(/^[0-9A-Fa-f]{40}$/, 'must be the 40 hex digits of a fingerprint')
  .transform((text) => text.toUpperCase());

const subkeys = someOf(fingerprint, 'needs at least one fingerprint')
  .optional()
  .describe(
    'Parts of the key to sign with, those that clients have had for longest first; default: each part that can sign.',
  );

/** A key in a GnuPG home, which may be on a card; its agent asks for or keeps the passphrase. */
const gpgAgent = (here: Here) =>
  block({
    type: z.literal('gpg-agent'),
    home: filePath(here).optional().describe('GnuPG home with the key; default: what gpg itself would use.'),
    key: fingerprint,
    subkeys,
  });

/** A private key in a file, used by this program itself. */
const openpgpKey = (here: Here) =>
  block({
    type: z.literal('openpgp'),
    'key-file': filePath(here).describe('Private key, armored or binary, readable by its owner only.'),
    ...passphraseKeys(here),
    subkeys,
  }).transform((key) => withPassphrase(key));

/** Another program signs: it is given the bytes on standard input and prints a detached signature. */
const signingCommand = (here: Here) => {
  const { timeout, retries, ...keys } = signingCommandKeys(here, 'prints a detached signature, armored or binary');
  const publicKeyFile = filePath(here).describe('What it signs with, armored or binary.');
  return block({ ...keys, 'public-key-file': publicKeyFile, subkeys, timeout, retries }, { timeout: 'timeoutSeconds' });
};

/** Makes the schema of one key that signs. */
export const signingKey = (here: Here) =>
  z.discriminatedUnion('type', [gpgAgent(here), openpgpKey(here), signingCommand(here)]);

/** One key that signs, by the kind of program that has its private half. */
export type SigningConfig = z.output<ReturnType<typeof signingKey>>;
export type GpgAgentConfig = Extract<SigningConfig, { type: 'gpg-agent' }>;
export type OpenpgpConfig = Extract<SigningConfig, { type: 'openpgp' }>;
export type SigningCommandConfig = Extract<SigningConfig, { type: 'command' }>;

/** Makes the schema of the `signing` key of a stream: everything is signed by each of its keys. */
export const signingSchema = (here: Here) =>
  z
    .union([signingKey(here), z.array(signingKey(here)).min(1, 'needs at least one key').max(2)])
    .transform((written) => nonEmpty([written].flat()))
    .optional()
    .describe('Signs commits, summaries, images and records; two while one key takes over from another.');

/** Returns what is wrong with the keys of a stream: two places for one passphrase. */
export function checkSigning(keys: readonly SigningConfig[], path: readonly string[], written: WrittenAt): Breach[] {
  const isList = Array.isArray(written(...path));
  return keys.flatMap((_, index) => checkPassphrase(isList ? [...path, index] : path, written));
}

export const signingTemplate = `
    # Sign commits, the summary, images and records (docs/signing.md): with a key of a GnuPG home, whose agent has the
    # passphrase or the card,
    # signing:
    #   type: gpg-agent
    #   home: /etc/atomic-nightly/gnupg
    #   key: 0123456789ABCDEF0123456789ABCDEF01234567
    # or with a private key file, or by another program; a list of two signs with both:
    #   {type: openpgp, key-file: /etc/atomic-nightly/signing.key, passphrase-file: /etc/atomic-nightly/passphrase}
    #   {type: command, command: [/usr/local/bin/sign, atomic], public-key-file: /etc/atomic-nightly/signing.asc}
`;
