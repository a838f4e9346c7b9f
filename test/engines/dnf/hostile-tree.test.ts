import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import { customise } from '../../../src/engines/dnf/tree/customise.ts';
import { removeExtraneous } from '../../../src/engines/dnf/tree/extraneous.ts';
import { openInitramfs, setHostDefaults } from '../../../src/engines/dnf/tree/host-defaults.ts';
import { indexModules, moveBoot, placeKernel } from '../../../src/engines/dnf/tree/kernel.ts';
import { settleOptUsrLocal } from '../../../src/engines/dnf/tree/opt-usrlocal.ts';
import { settleRpmdb } from '../../../src/engines/dnf/tree/rpmdb.ts';
import { removeLeftovers } from '../../../src/engines/dnf/tree/system.ts';
import { makeTopLevel, moveEtc, setMachineId } from '../../../src/engines/dnf/tree/tree-layout.ts';
import { at, entry } from '../../../src/engines/dnf/tree/tree-paths.ts';
import { settleShadow, splitUsers } from '../../../src/engines/dnf/tree/tree-users.ts';
import { varToTmpfiles } from '../../../src/engines/dnf/tree/var.ts';
import { moveVarLib } from '../../../src/engines/dnf/tree/var-lib.ts';
import { readTreefile } from '../../../src/treefile/read.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

const KVER = '6.0.0-1';

/** Everything below a folder: type, mode, time of the names, content. */
function picture(folder: string, path = ''): string[] {
  const info = lstatSync(join(folder, path));
  const line = `${path} ${info.mode.toString(8)} ${info.uid} ${info.size} ${info.mtimeMs} ${info.ctimeMs}`;
  if (info.isSymbolicLink()) return [`${line} ${readlinkSync(join(folder, path))}`];
  if (info.isFile()) return [`${line} ${readFileSync(join(folder, path), 'latin1')}`];
  return [
    line,
    ...readdirSync(join(folder, path))
      .sort()
      .flatMap((name) => picture(folder, `${path}/${name}`)),
  ];
}

/** What a tree may have, and the functions below look for: files with a text, folders with `null`. */
const CONTENT: Readonly<Record<string, string | null>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nsvc:x:990:990::/:/sbin/nologin\n',
  'etc/group': 'root:x:0:\nsvc:x:990:\n',
  'etc/shadow': 'root:!:19000::::::\n',
  'etc/gshadow': 'root:::\n',
  'etc/nsswitch.conf': 'passwd: files systemd\ngroup: files systemd\n',
  'etc/machine-id': 'x\n',
  'etc/passwd-': 'backup\n',
  'etc/motd': 'old\n',
  'etc/default/useradd': 'HOME=/home\n',
  'etc/systemd/system/multi-user.target.wants': null,
  'usr/lib/os-release': 'NAME=Mini\nVERSION="1"\n',
  'usr/lib/libnss_altfiles.so.2': '',
  'usr/lib/systemd/system/a.service': '[Service]\n',
  'usr/lib/systemd/system/default.target': '[Unit]\n',
  'usr/lib/tmpfiles.d/a.conf': 'd /var/lib/declared\n',
  'usr/lib/passwd': 'old\n',
  'usr/lib/group': 'old\n',
  [`usr/lib/modules/${KVER}/vmlinuz`]: 'kernel\n',
  [`usr/lib/modules/${KVER}/initramfs.img`]: 'initramfs\n',
  [`usr/lib/modules/${KVER}/modules.order`]: '',
  [`usr/lib/modules/${KVER}/modules.builtin`]: '',
  [`usr/lib/modules/${KVER}/modules.dep`]: '',
  'usr/lib/ostree-boot/old': 'old\n',
  'usr/lib/sysimage/rpm': null,
  'usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite': 'old\n',
  'usr/share/rpm/rpmdb.sqlite': 'db\n',
  'usr/share/rpm/.rpm.lock': '',
  'usr/share/rpm-ostree': null,
  'usr/local/bin': null,
  'usr/share/doomed/file': 'doomed\n',
  'opt/app': null,
  [`boot/vmlinuz-${KVER}`]: 'kernel\n',
  'boot/grub2/grub.cfg': 'menu\n',
  'var/lib/svc': null,
  'var/lib/alternatives': null,
  'var/cache/ldconfig/aux': 'x\n',
  'var/lib/systemd/random-seed': 'x\n',
  'run/svc': null,
  'root/.bashrc': 'x\n',
  'tmp/x': 'x\n',
  dev: null,
  proc: null,
  sys: null,
};

/** Every path of the tree and the folders above it: each may be a link instead. */
const PLACES = [
  ...new Set(
    Object.keys(CONTENT).flatMap((path) =>
      path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/')),
    ),
  ),
];

function makeTree(root: string, links: ReadonlyMap<string, string>): void {
  mkdirSync(root);
  for (const [path, text] of Object.entries(CONTENT)) {
    const parts = path.split('/');
    let blocked = false;
    for (const index of parts.keys()) {
      const part = parts.slice(0, index + 1).join('/');
      const target = links.get(part);
      const here = join(root, part);
      const there = lstatSync(here, { throwIfNoEntry: false });
      if (there?.isSymbolicLink()) blocked = true;
      if (blocked) break;
      if (target !== undefined && there === undefined) {
        symlinkSync(target, here);
        blocked = true;
        break;
      }
      if (index < parts.length - 1 || text === null) mkdirSync(here, { recursive: true });
      else writeFileSync(here, text);
    }
  }
}

/** Runs everything that touches a tree, in a compose's order; one that refuses the tree does not keep the others from it. */
async function treatTree(root: string, scratchDir: string, treefilePath: string, withDepmod = true): Promise<string[]> {
  const task = testTask(scratchDir);
  const treefile = await readTreefile(treefilePath, { basearch: 'x86_64' });
  const { values } = treefile;
  const split = { passwd: [], group: [], shadow: [], gshadow: [], subuid: [], subgid: [], kept: false };
  const packageFiles = new Map([['doomed', ['/usr/share/doomed/file', '/etc/motd', '/usr/share/doomed']]]);
  const treatments: readonly (() => unknown)[] = [
    () => removeExtraneous(root, new Map([['filesystem', ['/root/.bashrc']]])),
    () => moveEtc(root),
    () => customise({ root, treefile, version: '20261121_01', timestamp: 1, packageFiles, scratchDir }, task),
    () => setMachineId(root, values),
    () => removeLeftovers(root),
    () => setHostDefaults(root),
    () => placeKernel(root),
    () => (withDepmod ? indexModules(root, KVER, task) : undefined),
    () => settleShadow(root, 1),
    () => splitUsers(root, values),
    () => moveVarLib(root),
    () => settleOptUsrLocal(root, 'var', task),
    () => varToTmpfiles(root, split, [], task),
    () => openInitramfs(root, KVER),
    () => moveBoot(root, KVER, 'new'),
    () => settleRpmdb(root),
    () => makeTopLevel(root, values, { lines: [], integration: [] }),
  ];
  const refusals: string[] = [];
  for (const treatment of treatments) {
    try {
      await treatment();
    } catch (error) {
      // A refusal, or what the tree lacks now; what matters here is what happened to the host.
      if (!(error instanceof Error)) throw error;
      refusals.push(`${treatment}: ${error.message}`);
    }
  }
  return refusals;
}

it('I13: nothing done to a tree reaches the host, wherever its links lead', async () => {
  const base = temporaryFolder();
  const guard = join(base, 'guard');
  const source = join(base, 'treefile');
  mkdirSync(source);
  writeFileSync(join(source, 'motd'), 'welcome\n');
  writeFileSync(
    join(source, 'host.yaml'),
    JSON.stringify({
      ref: 'mini/x86_64/nightly',
      repos: ['mini'],
      packages: ['doomed'],
      units: ['a.service'],
      'default-target': 'default.target',
      'mutate-os-release': '1',
      'remove-files': ['etc/gshadow', 'usr/share/doomed/file', 'var/lib/svc'],
      'remove-from-packages': [['doomed', '.*']],
      'add-files': [
        ['motd', '/etc/motd'],
        ['motd', '/usr/share/doomed/added'],
        ['motd', '/etc/default/added'],
      ],
    }),
  );
  writeFileSync(join(source, 'mini.repo'), '[mini]\nbaseurl=file:///nowhere\n');
  const plain = join(base, 'plain');
  makeTree(plain, new Map());
  expect(await treatTree(plain, join(base, 'scratch'), join(source, 'host.yaml'))).toEqual([]);
  let count = 0;
  const links = fc.uniqueArray(
    fc.tuple(fc.constantFrom(...PLACES), fc.constantFrom('absolute', 'relative', 'file', 'missing', 'inside')),
    {
      minLength: 1,
      maxLength: 4,
      selector: ([path]) => path,
    },
  );
  // Each place once by itself, then several together.
  const each = PLACES.map((path, index) => [
    [path, ['absolute', 'file', 'relative', 'missing'][index % 4] ?? ''] as const,
  ]);
  for (const chosen of [...each, ...fc.sample(links, 15)]) {
    count += 1;
    rmSync(guard, { recursive: true, force: true });
    mkdirSync(join(guard, 'folder/sub'), { recursive: true });
    for (const path of Object.keys(CONTENT)) {
      mkdirSync(join(guard, path, '..'), { recursive: true });
      if (CONTENT[path] === null) mkdirSync(join(guard, path), { recursive: true });
      else writeFileSync(join(guard, path), CONTENT[path] ?? '');
    }
    const before = picture(guard);
    const root = join(base, `root-${count}`);
    const target = (path: string, kind: string): string => {
      const up = '../'.repeat(20);
      switch (kind) {
        case 'absolute':
          return join(guard, path);
        case 'relative':
          return `${up}${join(guard, path).slice(1)}`;
        case 'file':
          return join(guard, 'etc/passwd');
        case 'missing':
          return join(guard, 'new', path);
        default:
          return '/usr/elsewhere';
      }
    };
    makeTree(root, new Map(chosen.map(([path, kind]) => [path, target(path, kind)])));
    // depmod takes a second, and reads modules only.
    const modules = chosen.some(([path]) => 'usr/lib/modules'.startsWith(path) || path.startsWith('usr/lib/modules'));
    await treatTree(root, join(base, 'scratch'), join(source, 'host.yaml'), modules);
    expect(picture(guard), `links: ${JSON.stringify(chosen)}`).toEqual(before);
    rmSync(root, { recursive: true, force: true });
  }
  expect(count).toBe(PLACES.length + 15);
});

it('resolves every path inside the tree, as a program chrooted there finds it', () => {
  const root = join(temporaryFolder(), 'root');
  const names = ['a', 'b', 'c'];
  const part = fc.constantFrom(...names, '..', '.', '');
  const pathOf = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
  const linked = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'a/b', 'b/c', 'a/c'), fc.tuple(fc.boolean(), pathOf)), {
    maxLength: 5,
  });
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [links, path] of fc.sample(fc.tuple(linked, pathOf), 150)) {
    rmSync(root, { recursive: true, force: true });
    for (const folder of ['a/a', 'b/b', 'c']) mkdirSync(join(root, folder), { recursive: true });
    for (const [where, [absolute, target]] of links) {
      if (lstatSync(join(root, where), { throwIfNoEntry: false }) === undefined) {
        symlinkSync(`${absolute ? '/' : ''}${target}` || '/', join(root, where));
      }
    }
    for (const resolve of [at, entry]) {
      try {
        const real = resolve(root, path);
        expect(real === root || real.startsWith(`${root}/`)).toBe(true);
        if (resolve === at && lstatSync(real, { throwIfNoEntry: false })) {
          expect(lstatSync(real).isSymbolicLink()).toBe(false);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(NightlyError);
      }
    }
  }
});

it('follows links of /etc from /etc, where the tree keeps it in usr/etc', () => {
  const root = join(temporaryFolder(), 'root');
  mkdirSync(join(root, 'usr/etc/authsel'), { recursive: true });
  mkdirSync(join(root, 'usr/lib/os-release.d'), { recursive: true });
  symlinkSync('/etc/authsel/nsswitch.conf', join(root, 'usr/etc/nsswitch.conf'));
  symlinkSync('../usr/lib/os-release', join(root, 'usr/etc/os-release'));
  symlinkSync('./os.release.d/os-release-x', join(root, 'usr/lib/os-release'));
  expect(at(root, '/etc/nsswitch.conf')).toBe(join(root, 'usr/etc/authsel/nsswitch.conf'));
  expect(at(root, 'etc/os-release')).toBe(join(root, 'usr/lib/os.release.d/os-release-x'));
  expect(entry(root, 'etc/os-release')).toBe(join(root, 'usr/etc/os-release'));
});
