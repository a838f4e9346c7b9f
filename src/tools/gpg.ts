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

/** The key in a home, the user's own by default. */
interface KeyInHome {
  readonly home: string | undefined;
  /** Fingerprint. */
  readonly key: string;
}

/** Writes a binary detached signature over a file. Fails instead of asking anybody anything on this terminal. */
export async function gpgSignFile(
  request: KeyInHome & { readonly file: string; readonly signature: string; readonly timeoutMs: number },
  task: Task,
): Promise<void> {
  const { home, key, file, signature, timeoutMs } = request;
  const args = ['--batch', '--no-tty', '--yes', '--local-user', key, '--output', signature, '--detach-sign', file];
  await run('gpg', [...inHome(home), ...args], { task, timeoutMs });
}

/** Writes the public key to a file, in the binary form that gpgv takes as a keyring. */
export async function gpgExportTo(request: KeyInHome & { readonly file: string }, task: Task): Promise<void> {
  const { home, key, file } = request;
  await run('gpg', [...inHome(home), '--batch', '--no-tty', '--output', file, '--export', key], { task });
}

/** Whether a detached signature over a file is by a key of that keyring, by gpgv: no trust, no other keys, no agent. */
export async function gpgvVerify(
  { keyring, signature, file }: { readonly keyring: string; readonly signature: string; readonly file: string },
  task: Task,
): Promise<boolean> {
  const { exitCode } = await run('gpgv', ['--keyring', keyring, signature, file], { task, okExitCodes: [0, 1, 2] });
  return exitCode === 0;
}

const inHome = (home: string | undefined): string[] => (home === undefined ? [] : ['--homedir', home]);

/** Ends the agent that gpg starts in the background for each home. */
export async function gpgStopAgent(gnupgHome: string, task: Task): Promise<void> {
  await run('gpgconf', ['--homedir', gnupgHome, '--kill', 'all'], { task });
}

async function gpg(gnupgHome: string, args: readonly string[], task: Task): Promise<string> {
  const { stdout } = await run('gpg', ['--homedir', gnupgHome, '--batch', '--no-tty', '--quiet', ...args], { task });
  return stdout;
}
