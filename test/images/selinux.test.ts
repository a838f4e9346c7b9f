import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cp, mkdir, open, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { labelTrees } from '../../src/images/disk/disk-selinux.ts';
import { readGpt } from '../../src/images/disk/gpt.ts';
import type { ImageRequest } from '../../src/images/image.ts';
import { run } from '../../src/programs/exec.ts';
import { convertImage } from '../../src/programs/qemu-img.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { buildAlone, commitFolder, imageRequest, syntheticCommit } from './synthetic-tree.ts';

/** A real policy: Debian's package selinux-policy-default, put into the tree as CentOS has it. */
const POLICY = '/etc/selinux/default';

const VMLINUZ = '/usr/lib/modules/6.1.0/vmlinuz';

describe('a tree with an SELinux policy', () => {
  const shared = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
  afterAll(() => rmSync(shared, { recursive: true, force: true }));

  let source: { readonly repo: string; readonly commit: string };
  let sha256: string;
  let raw: string;
  beforeAll(async () => {
    const { tree } = await syntheticCommit(shared, { 'usr/etc/shadow': 'root:*:19000::::::\n' });
    await addPolicy(tree);
    source = await commitFolder(shared, tree);
    const image = await buildAlone(await requestWithFiles(shared), testTask(shared));
    sha256 = image.sha256;
    raw = `${image.path}.raw`;
    await convertImage(
      { source: image.path, sourceFormat: 'qcow2', target: raw, targetFormat: 'raw' },
      testTask(shared),
    );
  });

  /** With a file of the image type's own in each of the three places. */
  function requestWithFiles(folder: string): Promise<ImageRequest> {
    const file = { mode: '0644', content: 'x\n', source: undefined, append: false };
    return imageRequest(folder, source, 'generic-cloud', {
      files: [
        { ...file, path: '/etc/resolv.conf' },
        { ...file, path: '/var/home/anna/.gnupg/gpg.conf' },
        { ...file, path: '/boot/extra/file' },
        { ...file, path: '/etc/shadow', append: true, content: 'anna:*:19000::::::\n' },
      ],
    });
  }

  const labelIn = (partition: string) => async (path: string) => {
    const file = await open(raw, 'r');
    const { partitions } = await readGpt(file);
    await file.close();
    const start = partitions.find(({ name }) => name === partition)?.start ?? 0;
    const { stdout } = await run('debugfs', [
      '-R',
      `ea_get "${path}" security.selinux`,
      `${raw}?offset=${start * 512}`,
    ]);
    // ostree labels without the NUL that setfiles adds; the kernel takes both.
    return /"\w+:object_r:(\w+):s0(?:\\000)?"/.exec(stdout)?.[1];
  };
  const onBoot = labelIn('boot');
  const onRoot = labelIn('root');
  const deployment = () => `/ostree/deploy/synthetic/deploy/${source.commit}.0`;

  test('the deployment has its /etc labelled, and what an image type changed there', async () => {
    expect(await onRoot(`${deployment()}/etc`)).toBe('etc_t');
    expect(await onRoot(`${deployment()}/etc/passwd`)).toBe('etc_t');
    expect(await onRoot(`${deployment()}/etc/shadow`)).toBe('shadow_t');
    expect(await onRoot(`${deployment()}/etc/resolv.conf`)).toBe('net_conf_t');
    expect(await onRoot(`${deployment()}/etc/selinux/targeted/policy/policy.33`)).toBe('policy_config_t');
  });

  test("the stateroot has its /var labelled as /var, with the policy's substitutions", async () => {
    const folder = '/ostree/deploy/synthetic/var';
    expect(await onRoot(folder)).toBe('var_t');
    expect(await onRoot(`${folder}/lib`)).toBe('var_lib_t');
    expect(await onRoot(`${folder}/log`)).toBe('var_log_t');
    expect(await onRoot(`${folder}/tmp`)).toBe('tmp_t');
    expect(await onRoot(`${folder}/home/anna/.gnupg/gpg.conf`)).toBe('gpg_secret_t');
  });

  test('the boot partition is boot_t, the kernel too, which is a link to the repo in the sysroot', async () => {
    expect(await onBoot('/')).toBe('boot_t');
    expect(await onBoot('/lost+found')).toBe('lost_found_t');
    expect(await onBoot('/loader')).toBe('boot_t');
    expect(await onBoot('/loader.1/grub.cfg')).toBe('boot_t');
    expect(await onBoot('/extra/file')).toBe('boot_t');
    const { stdout } = await run('find', [
      join(shared, 'scratch/sysroot/boot/ostree'),
      '-type',
      'f',
      '-printf',
      '%P %n\n',
    ]);
    const files = stdout.trim().split('\n').sort();
    expect(files).toEqual([expect.stringMatching(/initramfs.* [3-9]$/), expect.stringMatching(/vmlinuz.* [3-9]$/)]);
    for (const file of files) expect(await onBoot(`/ostree/${file.split(' ')[0]}`)).toBe('boot_t');
  });

  test('the physical root and what ostree made in it are root_t, an origin file is etc_t', async () => {
    for (const path of [
      '/',
      '/ostree',
      '/ostree/deploy',
      '/ostree/deploy/synthetic',
      '/ostree/deploy/synthetic/deploy',
    ]) {
      expect(await onRoot(path), path).toBe('root_t');
    }
    expect(await onRoot('/ostree/repo/config')).toBe('root_t');
    expect(await onRoot('/ostree/repo/objects')).toBe('root_t');
    expect(await onRoot('/boot')).toBe('boot_t');
    expect(await onRoot('/lost+found')).toBe('lost_found_t');
    expect(await onRoot(`${deployment()}.origin`)).toBe('etc_t');
  });

  test('the labels of the commit stay: in the deployment, and in the repo, whose checksums cover them', async () => {
    expect(await onRoot(`${deployment()}${VMLINUZ}`)).toBe('modules_object_t');
    expect(await onRoot(deployment())).toBe('root_t');
    // Not labelled in the commit.
    expect(await onRoot(`${deployment()}/usr/lib/os-release`)).toBeUndefined();
    await run('ostree', ['fsck', '-q', `--repo=${join(shared, 'scratch/sysroot/ostree/repo')}`]);
    await run('ostree', ['fsck', '-q', `--repo=${source.repo}`]);
    const { stdout } = await run('getfattr', ['-R', '-n', 'security.selinux', source.repo], { okExitCodes: [0, 1] });
    expect(stdout).toBe('');
  });

  test('both file systems are sound', async () => {
    const file = await open(raw, 'r');
    const { partitions } = await readGpt(file);
    await file.close();
    for (const { name, start } of partitions.filter(({ name }) => name === 'boot' || name === 'root')) {
      const { stdout } = await run('e2fsck', ['-f', '-n', `${raw}?offset=${start * 512}`]);
      expect(stdout, name).toContain('Pass 5');
    }
  });

  test('I10 a second build in another folder gives the same bytes', async () => {
    const folder = temporaryFolder();
    const again = await buildAlone(await requestWithFiles(folder), testTask(folder));
    expect(again.sha256).toBe(sha256);
  });
});

/** The policy in /usr/etc as "targeted"; of the commit's own files, the kernel's folder and the root are labelled. */
async function addPolicy(tree: string): Promise<void> {
  const home = join(tree, 'usr/etc/selinux');
  await cp(POLICY, join(home, 'targeted'), { recursive: true });
  await writeFile(join(home, 'config'), '# SELINUXTYPE= one of\nSELINUX=enforcing\nSELINUXTYPE=targeted\n');
  const contexts = join(home, 'targeted/contexts/files/file_contexts');
  // As a compose adds it where the policy has homes in /home.
  await writeFile(`${contexts}.subs_dist`, '/var/home /home\n', { flag: 'a' });
  await run('setfiles', ['-F', '-m', '-r', tree, contexts, join(tree, 'usr/lib/modules')]);
  await run('setfattr', ['-n', 'security.selinux', '-v', 'system_u:object_r:root_t:s0\\000', tree]);
}

async function emptyTrees(folder: string): Promise<Parameters<typeof labelTrees>[0]> {
  const root = join(folder, 'root');
  const stateroot = join(root, 'ostree/deploy/synthetic');
  const deployment = join(stateroot, 'deploy/c.0');
  const boot = join(folder, 'boot');
  for (const path of [boot, join(deployment, 'etc'), join(stateroot, 'var')]) await mkdir(path, { recursive: true });
  return { root, boot, deployment, stateroot, rootFileSystem: 'ext4', scratchDir: folder };
}

test('a tree without a policy is left as it is, whatever is installed', async () => {
  const folder = temporaryFolder();
  const trees = await emptyTrees(folder);
  await mkdir(join(trees.deployment, 'etc/selinux'));
  // libselinux alone owns this file in some distributions.
  await writeFile(join(trees.deployment, 'etc/selinux/config'), 'SELINUX=disabled\nSELINUXTYPE=targeted\n');
  const task = testTask(folder);
  await labelTrees(trees, task);
  expect(task.lines).toEqual([]);
  expect(existsSync(join(trees.boot, 'lost+found'))).toBe(false);
});

describe('with a policy of two lines', () => {
  async function treesWithPolicy(folder: string, contexts: string) {
    const trees = await emptyTrees(folder);
    const files = join(trees.deployment, 'etc/selinux/own/contexts/files');
    await mkdir(files, { recursive: true });
    await writeFile(join(trees.deployment, 'etc/selinux/config'), 'SELINUXTYPE=own\n');
    await writeFile(join(files, 'file_contexts'), contexts);
    return trees;
  }

  test('where setfiles is not installed, the error names the package', async () => {
    const folder = temporaryFolder();
    const trees = await treesWithPolicy(folder, '/\tsystem_u:object_r:root_t:s0\n');
    const bin = join(folder, 'bin');
    await mkdir(bin);
    for (const name of ['cp', 'rm']) await symlink(`/bin/${name}`, join(bin, name));
    vi.stubEnv('PATH', bin);
    await expect(labelTrees(trees, testTask(folder)).finally(() => vi.unstubAllEnvs())).rejects.toMatchObject({
      code: 'tool-missing',
      hint: expect.stringContaining('policycoreutils'),
    });
  });

  test('one that says nothing about / is refused', async () => {
    const folder = temporaryFolder();
    const trees = await treesWithPolicy(folder, '/etc/.*\tsystem_u:object_r:etc_t:s0\n');
    await expect(labelTrees(trees, testTask(folder))).rejects.toMatchObject({
      code: 'image',
      message: expect.stringContaining('no label for / in'),
    });
  });
});
