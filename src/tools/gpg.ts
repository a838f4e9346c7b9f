import { chmod, mkdir } from 'node:fs/promises';
import { run } from './exec.ts';
import type { Task } from './task.ts';

/** Makes an RSA signing key without a passphrase in a GnuPG home of its own. @returns its fingerprint. */
export async function gpgMakeKey(gnupgHome: string, userId: string, bits: number, task: Task): Promise<string> {
  await mkdir(gnupgHome, { recursive: true });
  await chmod(gnupgHome, 0o700);
  await gpg(gnupgHome, ['--passphrase', '', '--quick-generate-key', userId, `rsa${bits}`, 'sign', 'never'], task);
  return gpgFingerprint(gnupgHome, task);
}

/** Fingerprint of the only secret key in a GnuPG home; empty when there is none. */
export async function gpgFingerprint(gnupgHome: string, task: Task): Promise<string> {
  const listing = await gpg(gnupgHome, ['--with-colons', '--list-secret-keys'], task);
  return /^fpr:+([0-9A-F]+):/m.exec(listing)?.[1] ?? '';
}

/** The public key as text. */
export async function gpgExport(gnupgHome: string, fingerprint: string, task: Task): Promise<string> {
  return gpg(gnupgHome, ['--armor', '--export', fingerprint], task);
}

/** Ends the agent that gpg starts in the background for each home. */
export async function gpgStopAgent(gnupgHome: string, task: Task): Promise<void> {
  await run('gpgconf', ['--homedir', gnupgHome, '--kill', 'all'], { task });
}

async function gpg(gnupgHome: string, args: readonly string[], task: Task): Promise<string> {
  const { stdout } = await run('gpg', ['--homedir', gnupgHome, '--batch', '--no-tty', '--quiet', ...args], { task });
  return stdout;
}
