import { resolve } from 'node:path';
import { z } from 'zod';
import { block, type Here } from './block.ts';
import type { Breach, WrittenAt } from './breach.ts';
import { commandLine, filePath, nonEmpty, someOf, word } from './values.ts';

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

/** Where a passphrase is: a file, an environment variable, or a systemd credential (`$CREDENTIALS_DIRECTORY/NAME`). */
export type PassphraseSource = { readonly file: string } | { readonly env: string } | { readonly credential: string };

/** A private key in a file, used by this program itself. */
const openpgpKey = (here: Here) =>
  block({
    type: z.literal('openpgp'),
    'key-file': filePath(here).describe('Private key, armored or binary, readable by its owner only.'),
    'passphrase-file': filePath(here)
      .optional()
      .describe('A file with the passphrase alone, readable by its owner only.'),
    'passphrase-env': z
      .string()
      .regex(/^[A-Za-z_]\w*$/, 'must be the name of an environment variable')
      .optional()
      .describe('Environment variable with the passphrase; programs that are started do not get it.'),
    'passphrase-credential': word.optional().describe('Name of a systemd credential (LoadCredential=) with it.'),
    subkeys,
  }).transform(
    ({
      passphraseFile: file,
      passphraseEnv: env,
      passphraseCredential: credential,
      ...key
    }): Readonly<typeof key> & { readonly passphrase?: PassphraseSource } => {
      if (file !== undefined) return { ...key, passphrase: { file } };
      if (env !== undefined) return { ...key, passphrase: { env } };
      return credential === undefined ? key : { ...key, passphrase: { credential } };
    },
  );

/** Another program signs: it is given the bytes on standard input and prints a detached signature. */
const signingCommand = (here: Here) =>
  block(
    {
      type: z.literal('command'),
      command: commandLine
        .describe('Gets the bytes on standard input, prints a detached signature, armored or binary.')
        // Relative to this file, as all paths are; a bare name is looked for on PATH.
        .transform(([program, ...args]) =>
          nonEmpty([program.includes('/') ? resolve(here.folder, program) : program, ...args]),
        ),
      'public-key-file': filePath(here).describe('What it signs with, armored or binary.'),
      subkeys,
      timeout: z.int().min(1).max(3600).default(120).describe('Seconds for one try.'),
      retries: z.int().min(0).max(10).default(4).describe('Further tries, after 1, 2, 4 … seconds.'),
    },
    { timeout: 'timeoutSeconds' },
  );

const signingKey = (here: Here) =>
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
  return keys.flatMap((_, index): Breach[] => {
    const at = Array.isArray(written(...path)) ? [...path, index] : path;
    const [first, second] = ['passphrase-file', 'passphrase-env', 'passphrase-credential'].filter(
      (key) => written(...at, key) !== undefined,
    );
    if (second === undefined) return [];
    return [{ path: [...at, second], message: `is one too many: there is ${first} already.` }];
  });
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
