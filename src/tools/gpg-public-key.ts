import { run } from './exec.ts';
import type { Task } from './task.ts';

/** Writes a public key of a GnuPG home (default: the user's own) to a file, in the form `ostree remote` imports. */
export async function gpgPublicKeyTo(
  { home, key, file }: { readonly home: string | undefined; readonly key: string; readonly file: string },
  task: Task,
): Promise<void> {
  const where = home === undefined ? [] : ['--homedir', home];
  await run('gpg', [...where, '--batch', '--no-tty', '--output', file, '--export', key], { task });
}
