import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextIfExists, writeFileAtomic } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { gpgExport, gpgFingerprint, gpgMakeKey } from '../programs/gpg.ts';

/** The lab's signing key. The private half never leaves the lab folder. */
export interface LabKey {
  readonly gnupgHome: string;
  readonly fingerprint: string;
  /** Path of the public key, as text. */
  readonly publicFile: string;
  readonly publicText: string;
}

const USER_ID = 'Lab distribution (test key) <lab@lab.invalid>';

/** Returns the key in DIR/keys, made at the first call. RSA because RPM and GnuPG of every age read it. */
export async function labKey(dir: string, task: Task): Promise<LabKey> {
  const gnupgHome = join(dir, 'keys', 'gnupg');
  const publicFile = join(dir, 'keys', 'RPM-GPG-KEY-lab');
  const known = await readTextIfExists(join(dir, 'keys', 'fingerprint'));
  if (known !== undefined) {
    return { gnupgHome, fingerprint: known.trim(), publicFile, publicText: await readFile(publicFile, 'utf8') };
  }
  const existing =
    (await readTextIfExists(join(gnupgHome, 'pubring.kbx'))) === undefined ? '' : await gpgFingerprint(gnupgHome, task);
  const fingerprint = existing || (await gpgMakeKey(gnupgHome, USER_ID, 2048, task));
  const publicText = await gpgExport(gnupgHome, fingerprint, task);
  await writeFileAtomic(publicFile, publicText);
  // Written last: it says that the key is complete.
  await writeFileAtomic(join(dir, 'keys', 'fingerprint'), `${fingerprint}\n`);
  return { gnupgHome, fingerprint, publicFile, publicText };
}
