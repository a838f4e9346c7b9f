import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { quietTask } from '../../base/task.ts';
import type { PassphraseSource } from '../../config/config.ts';
import { makeKey } from '../../signing/make-key.ts';
import { readPassphrase } from '../../signing/passphrase.ts';
import { defineCommand, usageError } from '../define.ts';
import { choice, text } from '../inputs.ts';
import { refuseControlCharacters } from '../typed.ts';

/** Makes a new signing key in files that must not be there yet. */
export const keysGenerate = defineCommand({
  name: 'keys generate',
  summary: 'make a signing key: signing.key (private, encrypted), signing.asc, signing.gpg and signing.rev',
  options: {
    name: text('NAME', 'name in the user id, as in "Atomic SIG"', { required: true }),
    email: text('ADDRESS', 'address in the user id', { required: true }),
    out: text('DIR', 'folder for the files; none of them may exist', { required: true, completes: 'folder' }),
    expires: text('TIME', 'days, weeks or years from now (d, w, y), or never', { default: '3y' }),
    algorithm: choice('NAME', ['rsa4096', 'ed25519'], 'rpm of EL7 and older verifies RSA only', { default: 'rsa4096' }),
    passphraseFile: text('FILE', 'file with the passphrase, readable by its owner only', { completes: 'file' }),
    passphraseEnv: text('NAME', 'environment variable with the passphrase'),
  },
  examples: [
    '(umask 077; openssl rand -base64 32 > passphrase)\n' +
      'atomic-nightly keys generate --name "Atomic SIG" --email atomic@example.org --passphrase-file passphrase --out keys-2026',
  ],
  interruptible: true,
  async run({ passphraseFile, passphraseEnv, ...options }, { signal, print }) {
    const source = passphraseSource(passphraseFile, passphraseEnv);
    const { name, email, algorithm } = options;
    refuseControlCharacters({ name, email });
    if (!/^[^\s@<>]+@[^\s@<>]+$/.test(email)) throw usageError('keys generate', `"${email}" is not an e-mail address.`);
    if (name.trim() === '' || /[<>]/.test(name))
      throw usageError('keys generate', `"${name}" cannot be the name in a key.`);
    const days = daysOf(options.expires);
    const files = outputFiles(resolve(options.out));
    const there = Object.values(files).find((file) => existsSync(file));
    if (there !== undefined) {
      throw new NightlyError('usage', `${there} already exists, and a key is never overwritten.`, {
        hint: 'Name another folder with --out; during a rotation both keys are needed.',
      });
    }
    const passphrase = await readPassphrase(source);
    if (passphrase === '' || passphrase.includes('\n'))
      throw usageError('keys generate', 'The passphrase is empty, or more than one line.');
    const key = await makeKey({ name, email, algorithm, days, passphrase }, quietTask(undefined, signal));
    await makeFolder(resolve(options.out), 0o700);
    await writeFile(files.privateKey, key.privateKey, { mode: 0o600, flag: 'wx' });
    await writeFile(files.revocation, key.revocation, { mode: 0o600, flag: 'wx' });
    await writeFile(files.armored, key.armored, { mode: 0o644, flag: 'wx' });
    await writeFile(files.binary, key.binary, { mode: 0o644, flag: 'wx' });
    print(`Key ${key.fingerprint}`);
    print(`  private, encrypted: ${files.privateKey}`);
    print(`  public:             ${files.armored} (text), ${files.binary} (binary)`);
    print(`  revocation:         ${files.revocation}: keep it elsewhere, for the day the key is lost or stolen`);
    const passphraseKey =
      passphraseFile === undefined ? `passphrase-env: ${passphraseEnv}` : `passphrase-file: ${resolve(passphraseFile)}`;
    print(
      `In a stream of the configuration:\n  signing: {type: openpgp, key-file: ${files.privateKey}, ${passphraseKey}}`,
    );
    return 0;
  },
});

function passphraseSource(file: string | undefined, env: string | undefined): PassphraseSource {
  if (file !== undefined && env === undefined) return { file };
  if (env !== undefined && file === undefined) return { env };
  throw usageError('keys generate', 'A passphrase comes from --passphrase-file or --passphrase-env: give one of them.');
}

function outputFiles(folder: string) {
  const file = (end: string): string => join(folder, `signing.${end}`);
  return { privateKey: file('key'), armored: file('asc'), binary: file('gpg'), revocation: file('rev') };
}

/** Undefined for `never`. */
function daysOf(text: string): number | undefined {
  if (text === 'never') return undefined;
  const [, count, unit] = /^([1-9]\d{0,3})([dwy])$/.exec(text) ?? [];
  if (count === undefined)
    throw usageError('keys generate', `"${text}" must be a whole number with d, w or y, as in 3y, or never.`);
  return Number(count) * ({ d: 1, w: 7, y: 365 }[unit ?? ''] ?? 1);
}
