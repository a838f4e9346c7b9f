import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decryptKey, encryptKey, generateKey, readPrivateKey } from 'openpgp';
import type { OpenpgpConfig } from '../../src/config/config.ts';
import { run } from '../../src/programs/exec.ts';

export interface FileKey extends OpenpgpConfig {
  readonly passphrase: { readonly file: string };
  readonly fingerprint: string;
  /** Binary and armored. */
  readonly publicFile: string;
  readonly publicKeyFile: string;
}

export const PASSPHRASE = 'planted passphrase 7f3a';

/** A private key in a file, with its passphrase in another; ed25519, because it is made at once. */
export async function makeFileKey(
  dir: string,
  {
    name = 'signer',
    made = new Date(Date.now() - 60_000),
    seconds = 0,
  }: { name?: string; made?: Date; seconds?: number } = {},
): Promise<FileKey> {
  const { privateKey, publicKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name, email: `${name}@example.org` }],
    subkeys: [],
    passphrase: PASSPHRASE,
    date: made,
    keyExpirationTime: seconds,
    format: 'object',
  });
  const [keyFile, passphraseFile] = [join(dir, `${name}.key`), join(dir, `${name}.passphrase`)];
  const [publicFile, publicKeyFile] = [join(dir, `${name}.gpg`), join(dir, `${name}.asc`)];
  await writeFile(keyFile, privateKey.armor(), { mode: 0o600 });
  await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
  await writeFile(publicFile, publicKey.write());
  await writeFile(publicKeyFile, publicKey.armor());
  const fingerprint = publicKey.getFingerprint().toUpperCase();
  return { type: 'openpgp', keyFile, passphrase: { file: passphraseFile }, fingerprint, publicFile, publicKeyFile };
}

/** Adds a subkey that signs to a private key in a file, as somebody does for later. @returns its fingerprint */
export async function addSigningSubkey(key: FileKey): Promise<string> {
  const armoredKey = await readFile(key.keyFile, 'utf8');
  const open = await decryptKey({ privateKey: await readPrivateKey({ armoredKey }), passphrase: PASSPHRASE });
  const date = new Date(Date.now() - 5000);
  const more = await open.addSubkey({ sign: true, type: 'ecc', curve: 'ed25519Legacy', date });
  await writeFile(key.keyFile, (await encryptKey({ privateKey: more, passphrase: PASSPHRASE })).armor(), {
    mode: 0o600,
  });
  return more.subkeys.at(-1)?.getFingerprint().toUpperCase() ?? '';
}

/** What `gpgv` says of a detached signature, with one key alone: its exit code and words. */
export async function gpgv(keyring: string, signature: string, file: string): Promise<{ code: number; words: string }> {
  const { exitCode, stderr } = await run('gpgv', ['--keyring', keyring, signature, file], { okExitCodes: [0, 1, 2] });
  return { code: exitCode, words: stderr };
}
