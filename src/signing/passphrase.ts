import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { readSecretText } from '../base/secret-file.ts';
import type { PassphraseSource } from '../config/config.ts';
import { signingFile } from './signing-file.ts';

/**
 * Passphrases that were in the environment. They are taken out of it when they are first read: a program that is started
 * later, down to the scriptlets of packages, would inherit them.
 */
const taken = new Map<string, string>();

/**
 * Reads a passphrase. Nothing here puts it into a message.
 * @throws NightlyError `signing` when it is not where it should be.
 */
export async function readPassphrase(source: PassphraseSource): Promise<string> {
  if ('env' in source) return fromEnvironment(source.env);
  if ('file' in source) return readSecretText(source.file, signingFile('passphrase file'));
  const folder = process.env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined) {
    throw new NightlyError(
      'signing',
      `There is no systemd credential "${source.credential}": CREDENTIALS_DIRECTORY is not set.`,
      {
        hint: `Run this as a systemd service with LoadCredential=${source.credential}:/path, or use passphrase-file.`,
      },
    );
  }
  return readSecretText(join(folder, source.credential), signingFile('systemd credential'));
}

function fromEnvironment(name: string): string {
  const value = process.env[name] ?? taken.get(name);
  if (value === undefined || value === '') {
    throw new NightlyError(
      'signing',
      `The environment variable ${name}, which is to hold the passphrase, is not set.`,
      {
        hint: `Set ${name} for this program alone, or use passphrase-file.`,
      },
    );
  }
  taken.set(name, value);
  delete process.env[name];
  return value;
}
