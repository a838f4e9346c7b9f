import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BootLoader } from '../../src/images/disk/bootloader.ts';
import { grubModulesDir } from '../../src/images/disk/bootloader.ts';
import { labelTrees } from '../../src/images/disk/disk-selinux.ts';
import type { ImageRequest } from '../../src/images/image.ts';
import { type Base, makeBase } from '../../src/images/image-base.ts';
import { writeInstaller } from '../../src/images/iso/installer-files.ts';
import { moduleEntries } from '../../src/images/iso/kernel-modules.ts';
import { checkOutLiveRoot, takeKernel } from '../../src/images/iso/live-root.ts';
import { refuseTraces } from '../../src/images/iso/traces.ts';
import { folderTree } from '../../src/images/scan/scan-trees.ts';
import { makeVariant } from '../../src/images/variant.ts';
import { run } from '../../src/programs/exec.ts';
import {
  expectJailed,
  makeGuard,
  makeTree,
  picture,
  placesOf,
  plant,
  someOfEach,
  type TreeContent,
  tryAll,
} from '../support/hostile-tree.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { ABSENT, commitFolder, imageRequest, syntheticCommit } from './synthetic-tree.ts';

const LOADER: BootLoader = {
  name: 'grub-menu',
  configDir: 'grub',
  template: 'grub/menu.cfg.hbs',
  ostreeBackend: undefined,
  deployEnv: {},
  extraModules: [],
  inTree: { 'i386-pc': true, 'x86_64-efi': false },
  vendorEfi: undefined,
};

const GRUB: TreeContent = { 'usr/lib/grub/i386-pc/boot.img': 'x', 'usr/lib/grub/i386-pc/normal.mod': 'x' };

const dir = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
const guard = join(dir, 'guard');
let request: ImageRequest;
let tree: string;
beforeAll(async () => {
  const source = await syntheticCommit(dir, { 'usr/etc/ostree/remotes.d/synthetic.conf': ABSENT });
  tree = source.tree;
  request = await imageRequest(dir, source);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What of a deployment is read, changed and labelled for a disk. */
const DEPLOYED: TreeContent = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
  'etc/passwd.own': '',
  'etc/group': 'root:x:0:\n',
  'etc/shadow': 'root:*:19000::::::\n',
  'etc/gshadow': 'root:*::\n',
  'etc/sudoers.d/jane': 'x\n',
  'etc/added/file': 'x\n',
  'etc/systemd/system/x.service': '[Unit]\n',
  'etc/selinux/config': 'SELINUXTYPE=own\n',
  'etc/selinux/own/contexts/files/file_contexts':
    '/\tsystem_u:object_r:root_t:s0\n/etc/.*\tsystem_u:object_r:etc_t:s0\n',
  'etc/selinux/own/contexts/files/file_contexts.subs_dist': '/run /var/run\n',
  'etc/selinux/own/policy/policy.0': '',
  ...GRUB,
};

it('I13: a disk is made of a deployment without reaching the host or waiting, wherever its links lead', async () => {
  const { template } = request;
  const user = { name: 'jane', uid: 1000, gecos: '', shell: '/bin/sh', 'password-hash': '*', sudo: true };
  const file = { mode: '0644', source: undefined, content: 'x\n' };
  const files = [
    { ...file, path: '/etc/added/file', append: true },
    { ...file, path: '/etc/sudoers.d/jane', append: false },
  ];
  const users = [{ ...user, 'ssh-authorized-keys': ['ssh-ed25519 AAAA'] }];
  const changed = { ...request, template: { ...template, users, files, 'mask-units': ['x.service'] } };
  const places = placesOf(DEPLOYED);
  await expectJailed({ dir, content: DEPLOYED }, someOfEach(places, 1), async (folder, makeDeployment) => {
    const sysroot = join(folder, 'sysroot');
    const deployment = 'ostree/deploy/synthetic/deploy/c.0';
    makeTree(sysroot, { 'boot/grub/grub.cfg': '', 'ostree/deploy/synthetic/var': null, 'ostree/repo/config': '' });
    makeDeployment(join(sysroot, deployment));
    const shared = { commit: 'c', timestamp: 1 };
    const base: Base = { sysroot, deployment, loader: LOADER, seed: shared, bootUuid: 'b', rootUuid: 'r' };
    const task = testTask(folder);
    const made = {
      root: join(folder, 'root'),
      boot: join(folder, 'boot'),
      deployment: join(folder, 'root', deployment),
    };
    const look = folderTree(made.deployment);
    const stateroot = join(made.root, 'ostree/deploy/synthetic');
    return tryAll([
      () => makeVariant(base, changed, folder, task),
      () => labelTrees({ ...made, stateroot, rootFileSystem: 'xfs', scratchDir: folder }, task),
      () => grubModulesDir(LOADER, 'i386-pc', made.deployment),
      async () => {
        for (const place of places) await look.list(`/${place}`);
      },
      async () => {
        for (const [place, text] of Object.entries(DEPLOYED)) if (text !== null) await look.text(`/${place}`);
      },
    ]);
  });
});

const MODULES = 'usr/lib/modules/6.1.0';

/** What of a tree is read, moved and written over for a live system. */
const LIVE: TreeContent = {
  'usr/etc/fstab': 'x\n',
  'usr/etc/machine-id': 'x\n',
  'usr/lib/atomic-install/settings': 'x\n',
  'usr/lib/atomic-install/grub.cfg': 'x\n',
  'usr/lib/atomic-install/remote-keys.gpg': 'x\n',
  'usr/lib/atomic-install/boot-menu': 'x\n',
  'usr/lib/atomic-install/atomic-install': 'x\n',
  'usr/lib/atomic-install/disk-head.img': 'x\n',
  'usr/lib/systemd/system/atomic-install.service': '[Unit]\n',
  'usr/lib/systemd/system/atomic-install.target': '[Unit]\n',
  [`${MODULES}/vmlinuz`]: 'kernel\n',
  [`${MODULES}/initramfs.img`]: 'initramfs\n',
  [`${MODULES}/modules.dep`]: 'kernel/loop.ko: kernel/../../../../../../file\n',
  [`${MODULES}/modules.alias`]: 'x\n',
  [`${MODULES}/kernel/loop.ko`]: 'x\n',
  file: 'x\n',
  ...GRUB,
};

it('I13: a live system is made of a tree without reaching the host or waiting, wherever its links lead', async () => {
  const installer = {
    ...{ loader: { ...LOADER, deployEnv: { OSTREE_GRUB2_EXEC: '/bin/true' } }, title: 'x', kernelArguments: [] },
    ...{ bootUuid: 'b', smallestDiskBytes: 1 },
  };
  // A commit cannot have FIFOs.
  const all = someOfEach(placesOf(LIVE), 1).filter(
    (one) => !one.some(([, kind]) => kind === 'fifo' || kind === 'pipe'),
  );
  await expectJailed({ dir, content: LIVE }, all, async (folder, make) => {
    const [whole, root] = [join(folder, 'tree'), join(folder, 'root')];
    make(whole);
    const { repo, commit } = await commitFolder(folder, whole);
    const image = { ...request, repo, commit, remote: { ...request.remote, keys: Buffer.from('key') } };
    const task = testTask(folder);
    return tryAll([
      () => checkOutLiveRoot(image, root, task),
      () => writeInstaller(root, { ...installer, image }),
      () => grubModulesDir(LOADER, 'i386-pc', root),
      () => moduleEntries(root, MODULES, MODULES),
      () => refuseTraces(root, ['no such text'], task),
      () => takeKernel(root, { modulesDir: MODULES }, join(folder, 'contents')),
    ]);
  });
});

const IN_ETC: TreeContent = {
  'usr/etc/fstab': 'x\n',
  'usr/etc/ostree/remotes.d/synthetic.conf': '[remote "synthetic"]\nurl=https://atomic.example.org/repo\n',
};

it.each(placesOf(IN_ETC).map((path, index) => [path, index % 2 === 0 ? 'absolute' : 'null'] as const))(
  'I13: a sysroot is made of a commit without reaching the host: %s, %s',
  async (path, kind) => {
    const own = temporaryFolder();
    const before = makeGuard(guard, IN_ETC);
    const changed = join(own, 'tree');
    await run('cp', ['-a', tree, changed]);
    makeTree(changed, IN_ETC);
    plant(changed, path, kind, guard);
    const source = await commitFolder(own, changed);
    await tryAll([() => makeBase({ ...request, ...source, scratchDir: join(own, 'scratch') }, testTask(own))]);
    expect(picture(guard)).toEqual(before);
    rmSync(guard, { recursive: true });
  },
);

it('mounts /boot by a table that is a link to a file of the commit, without writing into that', async () => {
  const own = temporaryFolder();
  const changed = join(own, 'tree');
  await run('cp', ['-a', tree, changed]);
  rmSync(join(changed, 'usr/etc/fstab'));
  makeTree(changed, { 'usr/share/fstab': 'UUID=x / ext4 defaults 0 0' });
  symlinkSync('../usr/share/fstab', join(changed, 'usr/etc/fstab'));
  const source = await commitFolder(own, changed);
  const { sysroot, deployment } = await makeBase(
    { ...request, ...source, scratchDir: join(own, 'scratch') },
    testTask(own),
  );
  const table = readFileSync(join(sysroot, deployment, 'usr/share/fstab'), 'utf8');
  expect(table).toMatch(
    /^UUID=x \/ ext4 defaults 0 0\nUUID=\S+ \/boot ext4 defaults,x-systemd.device-timeout=0 0 2\n$/,
  );
  await run('ostree', ['fsck', '-q', `--repo=${join(sysroot, 'ostree/repo')}`]);
});

it('refuses a tree that has its /etc elsewhere, naming it, before anything is moved', async () => {
  const own = temporaryFolder();
  mkdirSync(join(own, 'tree'));
  symlinkSync(own, join(own, 'tree/usr'));
  const source = await commitFolder(own, join(own, 'tree'));
  await expect(checkOutLiveRoot({ ...request, ...source }, join(own, 'root'), testTask(own))).rejects.toMatchObject({
    code: 'image',
    message: expect.stringContaining('/usr/etc'),
  });
});
