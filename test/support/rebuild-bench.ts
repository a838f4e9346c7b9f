import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import { timed } from './log-bench.ts';
import { startMachine, type TestMachine } from './machines.ts';
import { openTestBuilders } from './rebuild-project.ts';
import { makeRebuildWorld, type RebuildWorld } from './rebuild-world.ts';

const PROGRAM = new URL('../../bin/atomic-nightly.js', import.meta.url).pathname;

/** Machines of this one's own, and what builds on them. */
export interface RebuildBench {
  readonly world: RebuildWorld;
  readonly machines: readonly TestMachine[];
  readonly work: string;
  /** Runs `rebuild`. Any exit code but 0 ends the benchmark. */
  rebuild(args: readonly string[]): Promise<Took & { readonly results: readonly BuiltOnce[] }>;
}

/** What something took. */
export interface Took {
  readonly seconds: number;
  /** Seconds of processor time, here and on all machines: other work on this one changes it less. */
  readonly cpu: number;
}

interface BuiltOnce {
  readonly job: string;
  readonly root: string;
  readonly outcome: string;
  readonly packages: readonly { readonly size: number }[];
}

const NAMES = ['alpha', 'beta', 'gamma', 'delta'];

/** Starts four machines, whose build roots have a compiler. */
export async function rebuildBench(dir: string): Promise<RebuildBench & { stop(): Promise<void> }> {
  await mkdir(dir, { recursive: true });
  const world = await makeRebuildWorld(dir, { compiler: true });
  const machines: TestMachine[] = [];
  for (const name of NAMES)
    machines.push(await startMachine({ name, operator: `${name}.example`, lower: world.lower, dir }));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = join(dir, 'statements.pem');
  await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const statement = { verifier: 'https://bench.example.org', key: { type: 'key-file', 'key-file': key } };
  const rates = { new: 0, proven: 0, sponsor: 0 };
  const { path, config } = await openTestBuilders(world, machines, { statement, rates });
  return {
    ...{ world, machines, work: config.work },
    async rebuild(args) {
      const { stdout, ...took } = await measured(machines, [
        process.execPath,
        ...[PROGRAM, 'rebuild', ...args, '--json', '-c', path],
      ]);
      return { ...took, results: JSON.parse(stdout).results };
    },
    async stop() {
      for (const machine of machines) await machine.stop();
    },
  };
}

/** rpmbuild as anybody would run it in a root that is there: the macros and the mounts that it needs, and nothing else. */
const PLAIN = `set -e
export PATH=/run
w=/var/plain r=$1
mkdir -p $w/mnt $w/build && cp $w/in.src.rpm $w/build && chown -R 1000:1000 $w/build
mount -o bind $r $w/mnt
mount -t proc proc $w/mnt/proc
for d in dev run var; do mount -t tmpfs -o mode=755 $d $w/mnt/$d; done
for n in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 $w/mnt/dev/\${n%:*} c 1 \${n#*:}; done
ln -s /proc/self/fd $w/mnt/dev/fd
mkdir -m 1777 $w/mnt/var/tmp
mount -t tmpfs -o mode=1777 tmp $w/mnt/tmp
mount -o bind $w/build $w/mnt/builddir
cp /run/busybox $w/mnt/dev/busybox
exec env -i PATH=/usr/bin:/usr/sbin HOME=/builddir LC_ALL=C.UTF-8 /run/busybox chroot $w/mnt /dev/busybox start-stop-daemon -S \\
  -c 1000:1000 -x /usr/bin/rpmbuild -- --rebuild /builddir/in.src.rpm -D '_topdir /builddir/build' -D '_dbpath /usr/share/rpm'
`;

/** Builds a source package on a machine with rpmbuild alone, in a root that it has. */
export async function plainRpmbuild(machine: TestMachine, source: string, root: string): Promise<Took> {
  const folder = join(machine.root, 'var/plain');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await copyFile(source, join(folder, 'in.src.rpm'));
  await writeFile(join(folder, 'plain.sh'), PLAIN);
  const enter = ['nsenter', '-t', String(machine.pid), '-m', '-p', '-n', '-u', '-i', '/run/busybox', 'unshare', '-m'];
  const shell = ['--propagation', 'private', '/run/busybox', 'sh', '/var/plain/plain.sh'];
  return measured([machine], [...enter, ...shell, `/var/lib/atomic-nightly-builder/roots/${root}`]);
}

/** Runs a command; what runs on machines meanwhile counts as well. */
async function measured(
  machines: readonly TestMachine[],
  command: readonly string[],
): Promise<Took & { readonly stdout: string }> {
  const before = machines.map(machineCpu);
  const script = 'TIMEFORMAT="%U %S"; cd /; time "$@"';
  let text = { stdout: '', stderr: '' };
  const seconds = await timed(async () => {
    text = await run('bash', ['-c', script, 'bash', ...command]);
  });
  const [user = 0, system = 0] = (text.stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  const there = machines.reduce((sum, machine, index) => sum + machineCpu(machine) - (before[index] ?? 0), 0);
  return { seconds, cpu: user + system + there, stdout: text.stdout };
}

/** Seconds of processor time of all that ended in a machine: its sshd is the parent of whatever lost its own. */
function machineCpu({ pid }: TestMachine): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number);
  // utime, stime, cutime and cstime of proc(5), in hundredths of a second.
  return fields.slice(11, 15).reduce((sum, one) => sum + one, 0) / 100;
}
