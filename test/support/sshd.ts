import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { run, start } from '../../src/programs/exec.ts';
import { childrenOf, killIfThere } from './processes.ts';
import { until } from './until.ts';

export interface TestSshd {
  readonly port: number;
  readonly identityFile: string;
  readonly knownHostsFile: string;
  /** The host key as in a line of known_hosts. */
  readonly hostKey: string;
  /** A known_hosts file that has another key for this server. */
  readonly wrongKnownHostsFile: string;
  /** A key the server does not accept. */
  readonly strangerFile: string;
}

export interface SshdOptions {
  /** Folder, and options before it, of an account that can do nothing but rsync. */
  readonly rrsync?: string;
  /** Which rrsync that is. */
  readonly program?: string;
}

/** As `launchSshd`, until the running test ends. */
export async function startSshd(dir: string, options: SshdOptions = {}): Promise<TestSshd> {
  const sshd = await launchSshd(dir, options);
  onTestFinished(sshd.stop);
  return sshd;
}

/**
 * sshd on loopback with a host key and an account key of its own. With `rrsync` the account can do nothing but rsync below that folder, as mirror operators set it up: it has no shell.
 */
export async function launchSshd(dir: string, options: SshdOptions): Promise<TestSshd & { stop(): Promise<void> }> {
  const at = (name: string): string => join(dir, name);
  await mkdir(dir, { recursive: true });
  // The folder for privilege separation; Debian's unit file makes it.
  await mkdir('/run/sshd', { recursive: true });
  for (const key of ['host', 'other-host', 'user', 'stranger']) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', at(key)]);
  }
  const publicKey = async (name: string): Promise<string> => (await run('cat', [at(`${name}.pub`)])).stdout.trim();
  const forced =
    options.rrsync === undefined ? '' : `restrict,command="${options.program ?? 'rrsync'} ${options.rrsync}" `;
  await writeFile(at('authorized_keys'), `${forced}${await publicKey('user')}\n`);
  await chmod(at('authorized_keys'), 0o600);
  const port = await freePort();
  const hostKey = await publicKey('host');
  // On any port: some tests go through a proxy. Not every program reads such a line.
  await writeFile(at('known_hosts'), `[127.0.0.1]:${port} ${hostKey}\n[127.0.0.1]:* ${hostKey}\n`);
  await writeFile(at('known_hosts.wrong'), `[127.0.0.1]:${port} ${await publicKey('other-host')}\n`);
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${at('host')}`,
    `PidFile ${at('sshd.pid')}`,
    `AuthorizedKeysFile ${at('authorized_keys')}`,
    'AuthenticationMethods publickey',
    'PermitRootLogin yes',
    'StrictModes no',
    'UsePAM no',
    'MaxStartups 100',
    'Subsystem sftp internal-sftp',
    // A login shell's start files are the developer's own and may take seconds.
    `SetEnv HOME=${dir}`,
  ];
  await writeFile(at('sshd_config'), `${lines.join('\n')}\n`);
  const server = await start('/usr/sbin/sshd', ['-D', '-e', '-f', at('sshd_config')]);
  await untilListening(port);
  return {
    port,
    identityFile: at('user'),
    hostKey,
    knownHostsFile: at('known_hosts'),
    wrongKnownHostsFile: at('known_hosts.wrong'),
    strangerFile: at('stranger'),
    async stop() {
      // Connections have processes of their own, in other groups, and idle ones are kept open for a while.
      for (const pid of childrenOf(server.pid)) killIfThere(pid);
      await server.stop();
    },
  };
}

/** Resolves once something accepts connections on that loopback port. */
export async function untilListening(port: number): Promise<void> {
  await until(async () => {
    const { exitCode } = await run('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`], { okExitCodes: [0, 1] });
    return exitCode === 0;
  });
}
