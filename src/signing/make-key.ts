import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withTemporaryFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { gpgExport, gpgExportSecret, gpgExportTo, gpgGenerate, gpgStopAgent } from '../programs/gpg.ts';

/** What GnuPG 2.2, ostree and rpm can verify; rpm of EL7 and older only RSA. */
export const ALGORITHMS = ['rsa4096', 'ed25519'] as const;
export type KeyAlgorithm = (typeof ALGORITHMS)[number];

export interface KeyRequest {
  readonly name: string;
  readonly email: string;
  readonly algorithm: KeyAlgorithm;
  /** Undefined: it never expires. */
  readonly days?: number | undefined;
  readonly passphrase: string;
}

export interface MadeKey {
  readonly fingerprint: string;
  /** Armored, encrypted with the passphrase. */
  readonly privateKey: string;
  readonly armored: string;
  readonly binary: Uint8Array;
  /** The revocation certificate, with the text that says how to use it. */
  readonly revocation: string;
}

/**
 * Makes a key that signs with its primary part, since old rpm does not look at subkeys. GnuPG makes it, in a home of its own:
 * rpm 4.18 does not import keys of openpgp.js, which marks their flags and expiry as critical subpackets.
 * @throws NightlyError `tool-missing`, `tool-failed`.
 */
export async function makeKey({ name, email, algorithm, days, passphrase }: KeyRequest, task: Task): Promise<MadeKey> {
  return withTemporaryFolder(async (folder) => {
    const home = join(folder, 'gnupg');
    await mkdir(home, { mode: 0o700 });
    try {
      const expires = days === undefined ? 'never' : `${days}d`;
      const key = await gpgGenerate({ home, passphrase, userId: `${name} <${email}>`, algorithm, expires }, task);
      const file = join(folder, 'key.gpg');
      await gpgExportTo({ home, key, file }, task);
      return {
        fingerprint: key,
        privateKey: await gpgExportSecret({ home, key, passphrase }, task),
        armored: await gpgExport(home, key, task),
        binary: new Uint8Array(await readFile(file)),
        revocation: await readFile(join(home, 'openpgp-revocs.d', `${key}.rev`), 'utf8'),
      };
    } finally {
      await gpgStopAgent(home, task);
    }
  });
}
