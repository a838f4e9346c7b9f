import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { inTree } from '../../../src/engines/dnf/namespace.ts';
import { run } from '../../../src/programs/exec.ts';
import { type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import type { MiniRecipe } from '../../support/mini-rpm.ts';
import { killIfThere, processesWith } from '../../support/processes.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { composeMini, makePlace, ostree, type Place } from './support.ts';

/** A file of the host that nothing in a jail may find; its path is fixed so that the package below can be cached. */
const CANARY = join(tmpdir(), 'atomic-nightly-test-canary');
const RESULTS = '/usr/share/attacks';

/** Each line is `name succeeded` or `name refused`; what is known of the place goes into files of their own. */
const attacks = (place: string): string => `
mkdir -p ${RESULTS}/${place}
cd ${RESULTS}/${place}
try() {
  name=$1; shift
  if "$@" > /dev/null 2>&1; then echo "$name succeeded"; else echo "$name refused"; fi >> results
}
b=/usr/bin/busybox
try mount-tmpfs $b mount -t tmpfs none /mnt
try mount-bind $b mount -o bind / /mnt
try remount $b mount -o remount,suid,dev /
try umount $b umount -l /proc
try mknod-disk $b mknod disk b 8 0
try mknod-memory $b mknod memory c 1 1
try host-name $b hostname evil
try clock sh -c 'date -s 2001-01-01; [ "$(date +%Y)" = 2001 ]'
try module $b insmod /usr/share/attacks/module.ko
try kernel-setting sh -c 'x=$(cat /proc/sys/kernel/core_pattern) && echo "$x" > /proc/sys/kernel/core_pattern'
try kernel-setting-of-net sh -c 'x=$(cat /proc/sys/net/ipv4/ip_forward) && echo "$x" > /proc/sys/net/ipv4/ip_forward'
try kernel-files chmod 755 /proc/sys/kernel/core_pattern
try sysrq sh -c 'echo h > /proc/sysrq-trigger'
try kernel-log $b dmesg
try swap $b swapon /usr/share/attacks/module.ko
try pivot $b pivot_root / /mnt
try host-file cat ${CANARY}
try host-file-of-init cat /proc/1/root${CANARY}
try host-file-by-cwd cat /proc/1/cwd/../../../../../..${CANARY}
try host-passwords cat /proc/1/root/etc/shadow-
try host-processes grep -ls 86399.25 /proc/[0-9]*/cmdline
try host-devices $b test -e /dev/kmsg -o -e /dev/mem -o -e /dev/sda -o -e /dev/vda -o -e /dev/loop0
try interface $b ip link add dummy0 type dummy
env | grep -v -e '^PWD=' -e '^OLDPWD=' -e '^SHLVL=' -e '^_=' | sort > environment
grep -e ^Cap -e ^NoNewPrivs /proc/self/status > capabilities
sed -n 's/^ *\\([^ :]*\\):.*/\\1/p' /proc/net/dev > interfaces
hostname > host-name 2>/dev/null || $b hostname > host-name
ls -A /run/* /root/* /home/* > folders 2>/dev/null
for fd in /proc/*/fd/*; do cat "$fd/..${CANARY}" "$fd${CANARY}" > descriptor-$$ 2>/dev/null && echo "descriptor $fd" >> results; done
rm -f descriptor-$$
# Whoever can see another root has Python there; else in a tree nothing is found to run.
$b chroot /proc/1/root /usr/bin/python3 -B -I - > outer 2>&1 <<'PYTHON'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def tell(name, ok):
    print(name, "succeeded" if ok else "refused")
def opens(path, flags=os.O_RDONLY):
    try:
        os.close(os.open(path, flags))
        return True
    except OSError:
        return False
# The classic way out of a chroot.
here = os.open("/", os.O_RDONLY)
for folder in ("/tmp/x",):
    os.makedirs(folder, exist_ok=True)
    os.chroot(folder)
os.fchdir(here)
for _ in range(40):
    os.chdir("..")
os.chroot(".")
tell("canary", opens("${CANARY}"))
tell("passwords", opens("/etc/shadow"))
# This program itself may lie there.
tell("root's home", any(os.path.lexists("/root/" + name) for name in (".bashrc", ".profile", ".ssh", ".npm")))
tell("write to /usr", opens("/usr/bin/atomic-nightly-was-here", os.O_WRONLY | os.O_CREAT))
tell("write to a program", opens("/usr/bin/python3", os.O_WRONLY))
tell("remount", libc.mount(b"none", b"/usr", None, 32, None) == 0)
tell("unshare mounts", libc.unshare(0x20000) == 0)
tell("unshare network", libc.unshare(0x40000000) == 0)
tell("host name", libc.sethostname(b"evil", 4) == 0)
tell("reboot", libc.reboot(0) == 0)
tell("kernel memory", opens("/proc/kcore"))
PYTHON
true
`;

const attacker: MiniRecipe = {
  name: 'attacker',
  version: '1',
  release: '1',
  requires: ['busybox', 'setup'],
  files: [{ path: '/usr/share/attacks/module.ko', text: 'no module\n' }],
  post: attacks('post'),
};

/** As a number, from the names rpm-ostree keeps (linux/capability.h). */
const KEPT = [0, 1, 3, 4, 5, 6, 7, 8, 18, 31].reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);

const mountPoints = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');

describe('I13: what runs for a tree', () => {
  let place: Place;
  let distro: MiniDistro;
  let commit: string;
  const mountsBefore = new Set(mountPoints());
  const cat = (path: string) => ostree('cat', `--repo=${place.repo}`, commit, `${RESULTS}/${path}`);

  beforeAll(async () => {
    writeFileSync(CANARY, 'secret of the host\n');
    const witness = spawn('sleep', ['86399.25'], { stdio: 'ignore' });
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'not-for-scripts');
    vi.stubEnv('LANG', 'tlh_KX.UTF-8');
    try {
      place = await makePlace();
      distro = await makeMiniDistro(join(place.dir, 'distro'));
      await distro.publish(attacker);
      await distro.writeTreefile({
        packages: ['filesystem', 'setup', 'busybox', 'mini-release', 'attacker'],
        postprocess: [`#!/bin/sh\n${attacks('postprocess')}`],
      });
      ({ commit } = await composeMini(distro, place));
      expect(witness.exitCode ?? witness.signalCode, 'the process of the host lives').toBeNull();
    } finally {
      witness.kill('SIGKILL');
      vi.unstubAllEnvs();
    }
  });
  afterAll(() => {
    rmSync(place.dir, { recursive: true, force: true });
    rmSync(CANARY, { force: true });
  });

  describe.each(['post', 'postprocess'])('as %s', (where) => {
    it('cannot mount, make devices, load modules, set the clock or the host name, or read the host', async () => {
      const results = (await cat(`${where}/results`)).trim().split('\n');
      expect(results.length).toBeGreaterThanOrEqual(20);
      expect(results.filter((line) => !line.endsWith(' refused'))).toEqual([]);
    });

    it('finds a fixed environment, nothing of the caller', async () => {
      expect((await cat(`${where}/environment`)).trim().split('\n')).toEqual([
        'HOME=/root',
        'LANG=C.UTF-8',
        'LC_ALL=C.UTF-8',
        'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
        'SOURCE_DATE_EPOCH=1795000000',
        'SYSTEMD_OFFLINE=1',
        'TZ=UTC',
      ]);
    });

    it('has the capabilities that rpm-ostree gives, and no way to others', async () => {
      const text = await cat(`${where}/capabilities`);
      const mask = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(text)?.[1]}`);
      expect([mask('CapEff'), mask('CapPrm')]).toEqual([KEPT, KEPT]);
      expect(text).toMatch(/^NoNewPrivs:\t1$/m);
    });

    it('has no network but a loopback, and another host name', async () => {
      expect((await cat(`${where}/interfaces`)).trim()).toBe('lo');
      expect((await cat(`${where}/host-name`)).trim()).toBe('localhost');
      expect(await cat(`${where}/folders`)).toBe('');
    });

    it('finds nothing to change outside its chroot', async () => {
      const outer = (await cat(`${where}/outer`)).trim().split('\n');
      if (where === 'postprocess') expect(outer).toEqual([expect.stringMatching(/python3.*No such file/)]);
      else {
        expect(outer.length).toBe(11);
        expect(outer.filter((line) => !line.endsWith(' refused'))).toEqual([]);
      }
    });
  });

  it('leaves no mount and no other host name behind', () => {
    // Other tests run meanwhile, and mount things in temporary folders of theirs.
    const others = join(tmpdir(), 'atomic-nightly-');
    const mine = (path: string) => path.startsWith(place.dir) || !path.startsWith(others);
    expect(mountPoints().filter((path) => mine(path) && !mountsBefore.has(path))).toEqual([]);
    expect(hostname()).not.toBe('evil');
  });
});

describe('a program in a tree', () => {
  const treeWithBusybox = async (): Promise<string> => {
    const root = join(temporaryFolder(), 'root');
    for (const name of ['usr/bin', 'etc', 'dev', 'proc', 'tmp']) mkdirSync(join(root, name), { recursive: true });
    await run('cp', ['/bin/busybox', join(root, 'usr/bin/busybox')]);
    return root;
  };

  it.each([{ traceReads: false }, { traceReads: true }])(
    'ends with its holder, SIGKILL or not: %j',
    async (options) => {
      const root = await treeWithBusybox();

      // Not as words of its own, which bubblewrap would have on its command line before they run.
      const script = 'echo up > /tmp/up; exec /usr/bin/busybox sleep 86397.5';
      const argv = inTree(root, ['/usr/bin/busybox', 'sh', '-c', script], { timestamp: 0, ...options });
      const holder = spawn('sh', ['-c', '"$@" & wait', 'sh', ...argv], { stdio: 'ignore', detached: true });
      onTestFinished(() => killIfThere(-(holder.pid ?? 0)));
      await vi.waitFor(() => {
        expect(existsSync(join(root, 'tmp/up'))).toBe(true);
        expect(processesWith('sleep', '86397.5')).not.toEqual([]);
      }, 60_000);
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      await vi.waitFor(() => expect(processesWith('sleep', '86397.5')).toEqual([]), 60_000);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(root);
    },
  );

  it('leaves access times of what it read, when asked for', async () => {
    const root = await treeWithBusybox();
    mkdirSync(join(root, 'usr/etc'));
    const file = join(root, 'usr/etc/read-me');
    writeFileSync(file, 'read\n');
    await run('touch', ['-a', '-d', '@0', file]);
    const [command = '', ...args] = inTree(root, ['/usr/bin/busybox', 'cat', '/etc/read-me'], {
      timestamp: 0,
      traceReads: true,
    });
    expect((await run(command, args)).stdout).toBe('read\n');
    expect(statSync(file).atimeMs).toBeGreaterThan(0);
  });

  it('does not run where the tree has a link for /dev or /proc, and makes nothing where that leads', async () => {
    for (const name of ['dev', 'proc']) {
      const root = await treeWithBusybox();
      const guard = join(temporaryFolder(), 'guard');
      rmSync(join(root, name), { recursive: true });
      symlinkSync(guard, join(root, name));
      expect(() => inTree(root, ['/usr/bin/busybox', 'true'], { timestamp: 0 })).toThrow(
        `/${name} is not a folder in the tree`,
      );
      expect(existsSync(guard)).toBe(false);
    }
  });

  it('gets what is bound into it where the tree leads, not where the host does', async () => {
    const root = await treeWithBusybox();
    const guard = join(temporaryFolder(), 'guard');
    mkdirSync(guard);
    mkdirSync(join(root, guard), { recursive: true });
    symlinkSync(guard, join(root, 'mnt'));
    const work = temporaryFolder();
    const [command = '', ...args] = inTree(root, ['/usr/bin/busybox', 'touch', '/mnt/made'], {
      timestamp: 0,
      binds: [[work, 'mnt']],
    });
    await run(command, args);
    expect(existsSync(join(work, 'made'))).toBe(true);
    expect(existsSync(join(guard, 'made'))).toBe(false);
  });
});
