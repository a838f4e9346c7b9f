import { generateKeyPairSync } from 'node:crypto';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { timed } from './log-bench.ts';
import { startMachine, type TestMachine } from './machines.ts';
import { openTestBuilders } from './rebuild-project.ts';
import { makeRebuildWorld, type RebuildWorld } from './rebuild-world.ts';
import { runCli } from './world.ts';

/** Machines of this one's own, and what builds on them. */
export interface RebuildBench {
  readonly world: RebuildWorld;
  readonly machines: readonly TestMachine[];
  readonly work: string;
  /** Runs `rebuild`; gives the seconds that it took, and the results. Any exit code but 0 ends the benchmark. */
  rebuild(args: readonly string[]): Promise<{ readonly seconds: number; readonly results: readonly BuiltOnce[] }>;
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
      let results: BuiltOnce[] = [];
      const seconds = await timed(async () => {
        const { code, stdout, stderr } = await runCli(dir, ['rebuild', ...args, '--json', '-c', path]);
        if (code !== 0) throw new Error(`rebuild ended with exit code ${code}\n${stdout}${stderr}`);
        results = JSON.parse(stdout).results;
      });
      return { seconds, results };
    },
    async stop() {
      for (const machine of machines) await machine.stop();
    },
  };
}

/** rpmbuild as anybody would run it in a root that is there: the macros and the mounts that it needs, and nothing else. */
const PLAIN = `set -e
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

/** Builds a source package on a machine with rpmbuild alone, in a root that it has. @returns seconds */
export async function plainRpmbuild(machine: TestMachine, source: string, root: string): Promise<number> {
  const folder = join(machine.root, 'var/plain');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await copyFile(source, join(folder, 'in.src.rpm'));
  await writeFile(join(folder, 'plain.sh'), PLAIN);
  const inRoot = `/var/lib/atomic-nightly-builder/roots/${root}`;
  return timed(() =>
    machine.inside(
      `PATH=/run; cd /; export PATH; exec /run/busybox unshare -m --propagation private /run/busybox sh /var/plain/plain.sh ${inRoot}`,
    ),
  );
}
