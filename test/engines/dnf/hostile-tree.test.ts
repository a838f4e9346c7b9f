import { lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import { sha256 } from '../../../src/base/files.ts';
import { installedPackages } from '../../../src/engines/dnf/dnf-installed.ts';
import { wrapPrograms } from '../../../src/engines/dnf/tree/cliwrap.ts';
import { customise } from '../../../src/engines/dnf/tree/customise.ts';
import { removeExtraneous } from '../../../src/engines/dnf/tree/extraneous.ts';
import { openInitramfs, setHostDefaults } from '../../../src/engines/dnf/tree/host-defaults.ts';
import { indexModules, moveBoot, placeKernel } from '../../../src/engines/dnf/tree/kernel.ts';
import { settleOptUsrLocal } from '../../../src/engines/dnf/tree/opt-usrlocal.ts';
import { settleRpmdb } from '../../../src/engines/dnf/tree/rpmdb.ts';
import { removeLeftovers } from '../../../src/engines/dnf/tree/system.ts';
import { refuseStrange } from '../../../src/engines/dnf/tree/tree-kinds.ts';
import { makeTopLevel, moveEtc, setMachineId } from '../../../src/engines/dnf/tree/tree-layout.ts';
import { at, entry } from '../../../src/engines/dnf/tree/tree-paths.ts';
import { movePolicyStore, requirePolicy, settlePolicy } from '../../../src/engines/dnf/tree/tree-selinux.ts';
import { settleShadow, splitUsers } from '../../../src/engines/dnf/tree/tree-users.ts';
import { keepGoneAccounts } from '../../../src/engines/dnf/tree/user-seeds.ts';
import { varToTmpfiles } from '../../../src/engines/dnf/tree/var.ts';
import { moveVarLib } from '../../../src/engines/dnf/tree/var-lib.ts';
import { readTreefile } from '../../../src/treefile/read.ts';
import { everyCase } from '../../support/every-case.ts';
import {
  expectJailed,
  HOSTILITIES,
  placesOf,
  someOfEach,
  type TreeContent,
  tryAll,
} from '../../support/hostile-tree.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

const KVER = '6.0.0-1';
const POLICY = 'etc/selinux/targeted';
const UNITS = 'usr/lib/systemd/system';

/** What a tree may have, and the functions below look for. */
const CONTENT: TreeContent = {
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
  'etc/selinux/config': 'SELINUXTYPE=targeted\n',
  'etc/selinux/semanage.conf': 'module-store = direct\n',
  [`${POLICY}/contexts/files/file_contexts`]: '/.* system_u:object_r:usr_t:s0\n',
  [`${POLICY}/contexts/files/file_contexts.bin`]: '',
  [`${POLICY}/contexts/files/file_contexts.homedirs`]: '',
  [`${POLICY}/contexts/files/file_contexts.subs_dist`]: '/run /var/run\n',
  [`${POLICY}/policy/policy.33`]: 'policy\n',
  [`${POLICY}/semanage.read.LOCK`]: '',
  'usr/bin/rpm-ostree': '',
  'usr/bin/rpm': '',
  'usr/lib/kernel/install.conf': 'layout=ostree\n',
  'usr/lib/kernel/install.conf.d/x.conf': '',
  'usr/lib/os-release': 'NAME=Mini\nVERSION="1"\n',
  'usr/lib/libnss_altfiles.so.2': '',
  [`${UNITS}/a.service`]: '[Service]\n',
  [`${UNITS}/default.target`]: '[Unit]\n',
  [`${UNITS}/ostree-remount.service`]: '[Service]\n',
  [`${UNITS}/multi-user.target.wants`]: null,
  'usr/lib/systemd/system-preset/40-rpm-ostree-auto.preset': '',
  'usr/lib/rpm/macros.d/macros.rpm-ostree': '',
  'usr/lib/tmpfiles.d/a.conf': 'd /var/lib/declared\n',
  'usr/lib/tmpfiles.d/rpm-ostree-0-integration.conf': '',
  'usr/lib/tmpfiles.d/rpm-ostree-1-autovar.conf': '',
  'usr/lib/passwd': 'old\n',
  'usr/lib/group': 'old\n',
  [`usr/lib/modules/${KVER}/vmlinuz`]: 'kernel\n',
  [`usr/lib/modules/${KVER}/initramfs.img`]: 'initramfs\n',
  [`usr/lib/modules/${KVER}/modules.order`]: '',
  [`usr/lib/modules/${KVER}/modules.builtin`]: '',
  [`usr/lib/modules/${KVER}/modules.dep`]: '',
  'usr/lib/ostree-boot/old': 'old\n',
  // The checksum of the kernel above: the name that moveBoot gives its copy.
  [`usr/lib/ostree-boot/vmlinuz-${KVER}-${sha256('kernel\n')}`]: 'old\n',
  'usr/lib/sysimage/rpm': null,
  'usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite': 'old\n',
  'usr/share/rpm/rpmdb.sqlite': '',
  'usr/share/rpm/.rpm.lock': '',
  'usr/share/rpm-ostree': null,
  'usr/local/bin': null,
  'usr/share/doomed/file': 'doomed\n',
  'opt/app': null,
  [`boot/vmlinuz-${KVER}`]: 'kernel\n',
  'boot/grub2/grub.cfg': 'menu\n',
  'var/lib/svc': null,
  'var/lib/alternatives': null,
  'var/lib/selinux/targeted/active/modules/100': 'module\n',
  'var/cache/ldconfig/aux': 'x\n',
  'var/lib/systemd/random-seed': 'x\n',
  'run/svc': null,
  'root/.bashrc': 'x\n',
  'tmp/x': 'x\n',
  dev: null,
  proc: null,
  sys: null,
};

/** Runs everything that touches a tree, in a compose's order. */
async function treatTree(
  root: string,
  scratchDir: string,
  treefilePath: string,
  programs: { readonly depmod: boolean; readonly rpm: boolean },
): Promise<string[]> {
  const task = testTask(scratchDir);
  const treefile = await readTreefile(treefilePath, { basearch: 'x86_64' });
  const { values } = treefile;
  const split = { passwd: [], group: [], shadow: [], gshadow: [], subuid: [], subgid: [], kept: false };
  const keep = { ...split, passwd: ['gone:x:980:980::/:/sbin/nologin'], shadow: ['gone:!::::::'] };
  const packageFiles = new Map([['doomed', ['/usr/share/doomed/file', '/etc/motd', '/usr/share/doomed']]]);
  return tryAll([
    () => (programs.rpm ? installedPackages(root, { packages: {} }, scratchDir, task) : undefined),
    () => removeExtraneous(root, new Map([['filesystem', ['/root/.bashrc']]])),
    () => moveEtc(root),
    () => movePolicyStore(root),
    () => customise({ root, treefile, version: '20261121_01', timestamp: 1, packageFiles, scratchDir }, task),
    () => keepGoneAccounts(root, keep),
    () => refuseStrange(root),
    () => setMachineId(root, values),
    () => removeLeftovers(root),
    () => setHostDefaults(root),
    () => placeKernel(root),
    () => settlePolicy({ root, timestamp: 1, compile: false }, task),
    async () => {
      if (!programs.depmod) return;
      // As in a compose: depmod would wait for a FIFO.
      refuseStrange(root);
      await indexModules(root, KVER, task);
    },
    () => settleShadow(root, 1),
    () => splitUsers(root, values),
    () => moveVarLib(root),
    () => settleOptUsrLocal(root, 'var', task),
    () => varToTmpfiles(root, split, [], task),
    () => openInitramfs(root, KVER),
    () => moveBoot(root, KVER, 'new'),
    () => settleRpmdb(root),
    () => wrapPrograms(root, treefile),
    () => requirePolicy(root),
    () => makeTopLevel(root, values, { lines: [], integration: [] }),
  ]);
}

it('I13: nothing done to a tree reaches the host or waits, wherever its links lead', async () => {
  const base = temporaryFolder();
  const [source, scratch] = [join(base, 'treefile'), join(base, 'scratch')];
  for (const folder of [source, scratch]) mkdirSync(folder);
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
      cliwrap: true,
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
  const treefile = join(source, 'host.yaml');
  const places = placesOf(CONTENT);
  const several = fc.uniqueArray(fc.tuple(fc.constantFrom(...places), fc.constantFrom(...HOSTILITIES)), {
    minLength: 2,
    maxLength: 4,
    selector: ([path]) => path,
  });
  // Each place by itself, then several together; test:e2e has every kind in every place.
  const kinds = everyCase ? HOSTILITIES.length : 1;
  const plantings = [...someOfEach(places, kinds), ...fc.sample(several, 15 * kinds)];
  await expectJailed({ dir: base, content: CONTENT }, plantings, (folder, make, planted) => {
    const root = join(folder, 'root');
    make(root);
    const touches = (path: string) => planted.some(([one]) => path.startsWith(one) || one.startsWith(path));
    const programs = { depmod: planted.length === 0 || touches('usr/lib/modules'), rpm: touches('usr/share/rpm') };
    return treatTree(root, scratch, treefile, programs);
  });
  expect(plantings).toHaveLength((places.length + 15) * kinds);
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
