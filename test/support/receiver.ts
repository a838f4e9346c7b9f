import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import { launchSshd, type TestSshd } from './sshd.ts';

/** The built program, as sshd starts it. */
const PROGRAM = `${process.execPath} ${new URL('../../bin/atomic-nightly.js', import.meta.url).pathname}`;

/** An ssh server whose account takes pushes and nothing else. */
export interface Receiver {
  readonly sshd: TestSshd;
  /** The folder that holds `repo/`. */
  readonly root: string;
  readonly log: string;
  /** `ssh://root@127.0.0.1:PORT/` */
  readonly url: string;
  /** Options of `push`, for one of the names. */
  as(name: string): string[];
  /** Writes what the names may, as in the configuration, without their root and log. */
  allow(pushers: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts it; each name has a key of its own.
 * @param program instead of the built one, for each name
 */
export async function launchReceiver(dir: string, names: readonly string[], program = PROGRAM): Promise<Receiver> {
  const [config, root, log] = [join(dir, 'receive.yaml'), join(dir, 'srv'), join(dir, 'pushes.log')];
  await mkdir(root, { recursive: true });
  const sshd = await launchSshd(join(dir, 'sshd'), {});
  const lines: string[] = [];
  for (const name of names) {
    const key = join(dir, `key-${name}`);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', key]);
    const publicKey = (await run('cat', [`${key}.pub`])).stdout.trim();
    lines.push(`command="${program} receive --config ${config} --as ${name}",restrict ${publicKey}`);
  }
  const file = join(dir, 'sshd/authorized_keys');
  await writeFile(file, `${lines.join('\n')}\n`);
  await chmod(file, 0o600);
  return {
    sshd,
    root,
    log,
    url: `ssh://root@127.0.0.1:${sshd.port}/`,
    as: (name) => ['--identity', join(dir, `key-${name}`), '--known-hosts', sshd.knownHostsFile],
    async allow(pushers) {
      const filled = Object.entries(pushers).map(([name, may]) => [name, { root, log, ...may }]);
      // JSON is YAML.
      await writeFile(config, JSON.stringify({ pushers: Object.fromEntries(filled) }));
    },
    stop: () => sshd.stop(),
  };
}
