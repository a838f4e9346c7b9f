import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { staticBusybox } from '../../src/builders/static-busybox.ts';
import { run, start } from '../../src/programs/exec.ts';
import { hostPackages } from './host-packages.ts';
import type { MiniDistro } from './mini-distro.ts';
import { buildMiniRpm, type MiniRecipe } from './mini-rpm.ts';
import { childrenOf } from './processes.ts';
import { until } from './until.ts';

/** A machine of its own on this one: mounts, processes, network, host name and sshd. */
export interface TestMachine {
  readonly name: string;
  readonly address: string;
  /** Its root folder, seen from here: for tampering. */
  readonly root: string;
  /** Process number of its sshd, here. */
  readonly pid: number;
  /** Its entry in `builders.machines`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Runs a shell line in it with this machine's programs. */
  inside(line: string): Promise<string>;
  /** Connections that it has taken so far. */
  connections(): Promise<number>;
  /** Cuts its network, or mends it. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  /** Everything in it ends at once. */
  stop(): Promise<void>;
}

/** Starts what a machine is from a folder that is shared by all and never changed while one of them runs. */
const START = `
set -e
busybox=$1 lower=$2 own=$3 name=$4
mount -t overlay -o lowerdir=$lower,upperdir=$own/upper,workdir=$own/work overlay $own/root
cd $own/root
mount -t proc proc proc
mount -t tmpfs -o mode=755 dev dev
mount -t tmpfs -o mode=755 run run
for n in null:3 zero:5 random:8 urandom:9; do mknod -m 666 dev/\${n%:*} c 1 \${n#*:}; done
mkdir dev/pts run/sshd old
# For what a test does inside, where the machine itself has no programs.
cp $busybox run/busybox
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
hostname $name
pivot_root . old
umount -l /old
rmdir /old
exec /usr/sbin/sshd -D -e -f /etc/ssh/sshd_config
`;

const SSHD = `Port 22
HostKey /etc/ssh/host
AuthorizedKeysFile /etc/ssh/authorized_keys
PermitRootLogin yes
AuthenticationMethods publickey
StrictModes no
UsePAM no
UseDNS no
MaxStartups 100
Subsystem sftp internal-sftp
`;

/** The package that makes a machine: sshd, a shell and openssl, for the key of its operator. */
export const machinePackage = (): Promise<MiniRecipe> =>
  hostPackages('machine', ['openssh-server', 'dash', 'libc-bin', 'openssl']);

/**
 * Makes the root that machines start from, out of packages of a distribution.
 * @param dir made when missing; must not be on an overlay
 */
export async function machineRoot(distro: MiniDistro, dir: string): Promise<string> {
  const root = join(dir, 'machine-root');
  if (existsSync(root)) return root;
  await mkdir(root, { recursive: true });
  const recipes = [distro.recipe('filesystem'), distro.recipe('setup'), distro.recipe('machine')];
  for (const recipe of recipes) {
    const rpm = await buildMiniRpm(recipe);
    await run('rpm', ['--root', root, '-i', '--nodeps', '--noscripts', '--nosignature', '--noplugins', rpm]);
  }
  const passwd = await readFile(join(root, 'etc/passwd'), 'utf8');
  await writeFile(join(root, 'etc/passwd'), `${passwd}sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n`);
  // sshd without PAM lets nobody into an account that is locked.
  await writeFile(join(root, 'etc/shadow'), 'root:*::0:99999:7:::\n', { mode: 0o600 });
  return root;
}

let network = 0;

/** Starts a machine of an operator with keys of its own. @param dir kept apart for it @param sshd further lines of sshd_config(5) */
export async function startMachine(about: {
  readonly name: string;
  readonly operator: string;
  readonly lower: string;
  readonly dir: string;
  readonly sshd?: string;
}): Promise<TestMachine> {
  const { name, operator, lower, sshd = '' } = about;
  const own = join(about.dir, name);
  for (const folder of ['upper/etc/ssh', 'work', 'root']) await mkdir(join(own, folder), { recursive: true });
  const etc = join(own, 'upper/etc');
  for (const [key, file] of [
    ['host', join(etc, 'ssh/host')],
    ['account', join(own, 'account')],
  ] as const) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', file]);
  }
  await writeFile(join(etc, 'ssh/authorized_keys'), await readFile(join(own, 'account.pub')));
  await writeFile(join(etc, 'ssh/sshd_config'), `${SSHD}${sshd}\n`);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(join(etc, 'atomic-nightly-builder.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  });
  const statementKey = join(own, 'statement.pem');
  await writeFile(statementKey, createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }));
  await chmod(join(own, 'account'), 0o600);

  const busybox = await staticBusybox();
  const spaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child', '--propagation', 'private'];
  const machine = await start('unshare', [...spaces, busybox, 'sh', '-c', START, 'start', busybox, lower, own, name]);
  let pid = 0;
  await until(() => {
    pid = childrenOf(machine.pid)[0] ?? 0;
    return pid !== 0;
  });
  network += 1;
  const [link, subnet] = [`an${process.pid % 100_000}x${network}`, `10.${process.pid % 250}.${network}`];
  const enter = (...args: readonly string[]) => run('nsenter', ['-t', String(pid), ...args]);
  await run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid)]);
  await run('ip', ['addr', 'add', `${subnet}.1/30`, 'dev', link]);
  await run('ip', ['link', 'set', link, 'up']);
  await enter(
    '-n',
    busybox,
    'sh',
    '-c',
    `ip addr add ${subnet}.2/30 dev eth0 && ip link set eth0 up && ip link set lo up`,
  );
  const address = `${subnet}.2`;
  await until(async () => {
    const { exitCode } = await run('bash', ['-c', `exec 3<>/dev/tcp/${address}/22`], { okExitCodes: [0, 1] });
    return exitCode === 0;
  });
  const [kind, key] = (await readFile(join(etc, 'ssh/host.pub'), 'utf8')).split(' ');
  const inside = async (line: string): Promise<string> =>
    (await enter('-m', '-p', '-n', '-u', '-i', '/run/busybox', 'sh', '-c', line)).stdout;
  return {
    name,
    address,
    pid,
    root: `/proc/${pid}/root`,
    config: {
      name,
      operator,
      ssh: { host: address, 'identity-file': join(own, 'account'), 'host-key': `${kind} ${key}` },
      arch: ['x86_64', 'noarch'],
      'statement-key': statementKey,
    },
    inside,
    connections: async () => {
      // Names and values of TCP's counters, on a line each.
      const [names = [], values = []] = (await inside('grep ^Tcp: /proc/net/snmp'))
        .split('\n')
        .map((line) => line.split(' '));
      return Number(values[names.indexOf('PassiveOpens')]);
    },
    cut: async () => void (await run('ip', ['link', 'set', link, 'down'])),
    mend: async () => void (await run('ip', ['link', 'set', link, 'up'])),
    async stop() {
      await machine.stop(0);
      await run('ip', ['link', 'del', link], { okExitCodes: [0, 1] });
    },
  };
}
