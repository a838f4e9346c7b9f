import { chmod } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { failed } from './program-fault.ts';

/** The longest home whose sockets have names that the system takes (unix(7): 108 bytes): the last is `/S.gpg-agent.browser`. */
const LONGEST_HOME = 107 - '/S.gpg-agent.browser'.length;

/**
 * Does something with a GnuPG home, and names the home as the cause where gpg says no more than that its agent did not start: without
 * /run/user/UID the agent has its sockets in the home, whose path may be too long for them.
 * @throws NightlyError `usage`, and what `work` throws.
 */
export async function inGnupgHome<Result>(home: string | undefined, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const length = Buffer.byteLength(home ?? '');
    if (!(error instanceof NightlyError) || length <= LONGEST_HOME || !/\bagent\b/.test(error.message)) throw error;
    throw new NightlyError(
      'usage',
      `The path of the GnuPG home ${home} is too long: gpg-agent cannot make its sockets there.`,
      {
        hint: `It has ${length} bytes; ${LONGEST_HOME} are possible. Take a folder with a shorter path, or set TMPDIR to one.`,
        cause: error,
      },
    );
  }
}

/** Makes an RSA signing key without a passphrase in a GnuPG home of its own. @returns its fingerprint. */
export async function gpgMakeKey(gnupgHome: string, userId: string, bits: number, task: Task): Promise<string> {
  await makeFolder(gnupgHome);
  await chmod(gnupgHome, 0o700);
  await gpg(gnupgHome, ['--passphrase', '', '--quick-generate-key', userId, `rsa${bits}`, 'sign', 'never'], task);
  return gpgFingerprint(gnupgHome, task);
}

/** A passphrase goes to gpg through a pipe: a command line can be seen by everybody on the machine. */
const FROM_PIPE = ['--pinentry-mode', 'loopback', '--passphrase-fd', '0'];

/** Makes a signing key with a passphrase in a GnuPG home without others. @returns its fingerprint. */
export async function gpgGenerate(
  request: {
    readonly home: string;
    readonly userId: string;
    readonly algorithm: string;
    /** `730d`, or `never`. */
    readonly expires: string;
    readonly passphrase: string;
  },
  task: Task,
): Promise<string> {
  const { home, userId, algorithm, expires, passphrase } = request;
  const args = ['--quick-generate-key', userId, algorithm, 'sign', expires];
  await inGnupgHome(home, () =>
    run('gpg', ['--homedir', home, '--batch', '--no-tty', '--quiet', ...FROM_PIPE, ...args], {
      task,
      input: `${passphrase}\n`,
    }),
  );
  return gpgFingerprint(home, task);
}

/** Returns the private key as text, encrypted with its passphrase. Its text is not logged. */
export async function gpgExportSecret(
  { home, key, passphrase }: KeyInHome & { readonly passphrase: string },
  task: Task,
): Promise<string> {
  const args = ['--batch', '--no-tty', '--quiet', '--armor', ...FROM_PIPE, '--export-secret-keys', key];
  const { stdout } = await run('gpg', [...inHome(home), ...args], {
    task: { ...task, logFile: '/dev/null' },
    input: `${passphrase}\n`,
  });
  return stdout;
}

/** Fingerprint of the only secret key in a GnuPG home; empty when there is none. */
export async function gpgFingerprint(gnupgHome: string, task: Task): Promise<string> {
  const listing = await gpg(gnupgHome, ['--with-colons', '--list-secret-keys'], task);
  return /^fpr:+([0-9A-F]+):/m.exec(listing)?.[1] ?? '';
}

/** Returns the public key as text. */
export async function gpgExport(gnupgHome: string, fingerprint: string, task: Task): Promise<string> {
  return gpg(gnupgHome, ['--armor', '--export', fingerprint], task);
}

/** The key in a home, the user's own by default. */
interface KeyInHome {
  readonly home: string | undefined;
  /** Fingerprint. */
  readonly key: string;
}

/**
 * Writes a binary detached signature over a file, a packet for each of the parts of the key that are named by their
 * fingerprints. Fails instead of asking anybody anything on this terminal.
 */
export async function gpgSignFile(
  request: Pick<KeyInHome, 'home'> & {
    readonly parts: readonly string[];
    readonly file: string;
    readonly signature: string;
    readonly timeoutMs: number;
  },
  task: Task,
): Promise<void> {
  const { home, parts, file, signature, timeoutMs } = request;
  // Without the "!" gpg takes the newest part of the key, whichever is named.
  const users = parts.flatMap((part) => ['--local-user', `${part}!`]);
  const args = ['--batch', '--no-tty', '--yes', ...users, '--output', signature, '--detach-sign', file];
  await inGnupgHome(home, () => run('gpg', [...inHome(home), ...args], { task, timeoutMs }));
}

/**
 * Fingerprints of the parts of a key whose private halves a home or a card has, upper-case hex (GnuPG's doc/DETAILS,
 * "Format of the colon listings"); none when it has only the public key.
 */
export async function gpgSecretParts({ home, key }: KeyInHome, task: Task): Promise<string[]> {
  const args = ['--batch', '--no-tty', '--with-colons', '--list-secret-keys', key];
  const { exitCode, stdout } = await inGnupgHome(home, async () => {
    const result = await run('gpg', [...inHome(home), ...args], { task, okExitCodes: [0, 2] });
    // The same exit code as for no such key: it is the agent that knows which private halves there are.
    if (/connect to the agent|No agent running/.test(result.stderr))
      throw failed(`ended with exit code ${result.exitCode}`, 'gpg', args, result.stderr, task);
    return result;
  });
  if (exitCode !== 0) return [];
  const found: string[] = [];
  let there = false;
  for (const line of stdout.split('\n')) {
    const fields = line.split(':');
    // Field 15 is "#" for a part whose private half is elsewhere, a card's serial number, or "+".
    if (fields[0] === 'sec' || fields[0] === 'ssb') there = fields[14] !== '#';
    else if (fields[0] === 'fpr' && there) found.push(fields[9] ?? '');
    if (fields[0] === 'fpr') there = false;
  }
  return found;
}

/** Writes the public key to a file, in the binary form that gpgv takes as a keyring. */
export async function gpgExportTo(request: KeyInHome & { readonly file: string }, task: Task): Promise<void> {
  const { home, key, file } = request;
  await run('gpg', [...inHome(home), '--batch', '--no-tty', '--output', file, '--export', key], { task });
}

/**
 * What gpgv finds of one signature (GnuPG's doc/DETAILS): good; over other bytes; by a key that is not in the keyring; by
 * one that has expired or been revoked; or no signature that it can read.
 */
export type GpgvFinding = 'good' | 'bad' | 'unknown-key' | 'expired' | 'revoked' | 'unreadable';

const FINDINGS: Readonly<Record<string, GpgvFinding>> = {
  GOODSIG: 'good',
  BADSIG: 'bad',
  ERRSIG: 'unreadable',
  EXPSIG: 'expired',
  EXPKEYSIG: 'expired',
  REVKEYSIG: 'revoked',
};

/**
 * Looks at a detached signature, armored or binary, over a file, with the keys of that keyring: no trust, no other keys, no
 * agent. @returns a finding for each signature in it; none when it holds none.
 */
export async function gpgvCheck(
  { keyring, signature, file }: { readonly keyring: string; readonly signature: string; readonly file: string },
  task: Task,
): Promise<GpgvFinding[]> {
  const args = ['--status-fd', '1', '--keyring', keyring, signature, file];
  const { stdout } = await run('gpgv', args, { task, okExitCodes: [0, 1, 2] });
  return [...stdout.matchAll(/^\[GNUPG:\] (\w+) ?(.*)$/gm)].flatMap(([, word = '', rest = '']): GpgvFinding[] => {
    // Reason 9 (GnuPG's doc/DETAILS): there is no such key.
    if (word === 'ERRSIG' && rest.split(' ')[5] === '9') return ['unknown-key'];
    const finding = FINDINGS[word];
    return finding === undefined ? [] : [finding];
  });
}

const inHome = (home: string | undefined): string[] => (home === undefined ? [] : ['--homedir', home]);

/** Ends the agent that gpg starts in the background for each home. */
export async function gpgStopAgent(gnupgHome: string, task: Task): Promise<void> {
  await run('gpgconf', ['--homedir', gnupgHome, '--kill', 'all'], { task });
}

async function gpg(gnupgHome: string, args: readonly string[], task: Task): Promise<string> {
  const own = ['--homedir', gnupgHome, '--batch', '--no-tty', '--quiet'];
  const { stdout } = await inGnupgHome(gnupgHome, () => run('gpg', [...own, ...args], { task }));
  return stdout;
}
