import { resolve } from 'node:path';
import { z } from 'zod';
import type { Here } from './block.ts';
import type { Breach, WrittenAt } from './breach.ts';
import { commandLine, filePath, nonEmpty, word } from './values.ts';

/** Keys that several kinds of private keys are configured with. */

/** Where a passphrase is: a file, an environment variable, or a systemd credential (`$CREDENTIALS_DIRECTORY/NAME`). */
export type PassphraseSource = { readonly file: string } | { readonly env: string } | { readonly credential: string };

/** Makes the keys that say where the passphrase of a private key is. */
export const passphraseKeys = (here: Here) => ({
  'passphrase-file': filePath(here)
    .optional()
    .describe('A file with the passphrase alone, readable by its owner only.'),
  'passphrase-env': z
    .string()
    .regex(/^[A-Za-z_]\w*$/, 'must be the name of an environment variable')
    .optional()
    .describe('Environment variable with the passphrase; programs that are started do not get it.'),
  'passphrase-credential': word.optional().describe('Name of a systemd credential (LoadCredential=) with it.'),
});

interface PassphraseKeys {
  readonly passphraseFile?: string;
  readonly passphraseEnv?: string;
  readonly passphraseCredential?: string;
}

/** Returns a key's configuration with its passphrase as one value. */
export function withPassphrase<Key extends PassphraseKeys>(
  key: Key,
): Omit<Key, keyof PassphraseKeys> & { readonly passphrase?: PassphraseSource } {
  const { passphraseFile: file, passphraseEnv: env, passphraseCredential: credential, ...rest } = key;
  if (file !== undefined) return { ...rest, passphrase: { file } };
  if (env !== undefined) return { ...rest, passphrase: { env } };
  return credential === undefined ? rest : { ...rest, passphrase: { credential } };
}

/** Returns what is wrong with a key: two places for one passphrase. */
export function checkPassphrase(path: readonly (string | number)[], written: WrittenAt): Breach[] {
  const named = ['passphrase-file', 'passphrase-env', 'passphrase-credential'];
  const [first, second] = named.filter((key) => written(...path, key) !== undefined);
  if (second === undefined) return [];
  return [{ path: [...path, second], message: `is one too many: there is ${first} already.` }];
}

/** Makes the keys of a program that signs. @param what as in `prints a detached signature, armored or binary` */
export const signingCommandKeys = (here: Here, what: string) => ({
  type: z.literal('command'),
  command: commandLine
    .describe(`Gets the bytes on standard input, ${what}.`)
    // Relative to this file, as all paths are; a bare name is looked for on PATH.
    .transform(([program, ...args]) =>
      nonEmpty([program.includes('/') ? resolve(here.folder, program) : program, ...args]),
    ),
  timeout: z.int().min(1).max(3600).default(120).describe('Seconds for one try.'),
  retries: z.int().min(0).max(10).default(4).describe('Further tries, after 1, 2, 4 … seconds.'),
});
