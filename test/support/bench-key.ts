import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';

/** An RSA key of 4,096 bits as SIGs have them, for rpmsign and for this program. */
export interface BenchKey {
  /** GnuPG home that has it. */
  readonly home: string;
  readonly name: string;
  /** The private key, armored, without a passphrase. */
  readonly keyFile: string;
  stop(): Promise<unknown>;
}

/** Makes one; the caller stops the agent. */
export async function makeBenchKey(dir: string): Promise<BenchKey> {
  const [home, name, keyFile] = [join(dir, 'gnupg'), 'bench@example.org', join(dir, 'secret.asc')];
  const gpg = ['--homedir', home, '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', ''];
  await mkdir(home, { mode: 0o700 });
  await run('gpg', [...gpg, '--quick-generate-key', `bench <${name}>`, 'rsa4096', 'sign', 'never']);
  const output = ['--armor', '--output', keyFile, '--export-secret-keys'];
  await run('sh', ['-c', 'umask 077; exec gpg "$@"', 'gpg', ...gpg, ...output]);
  const stop = () => run('gpgconf', ['--homedir', home, '--kill', 'all'], { okExitCodes: [0, 1] });
  return { home, name, keyFile, stop };
}
