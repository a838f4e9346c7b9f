import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { declaredPaths } from '../../../src/engines/dnf/tree/var.ts';
import { treeComponents } from '../../../src/engines/folder/components.ts';
import { takeFolder } from '../../../src/engines/folder/take-folder.ts';
import { readTreeNames } from '../../../src/engines/folder/tree-names.ts';
import { treePolicy } from '../../../src/engines/folder/tree-policy.ts';
import { packageFilesOf } from '../../../src/ostree/package-files.ts';
import { run } from '../../../src/programs/exec.ts';
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
} from '../../support/hostile-tree.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

/** What is read of a folder that becomes a tree. */
const CONTENT: TreeContent = {
  'usr/lib/passwd': 'svc:x:1234:0::/:/bin/sh\n',
  'usr/etc/group': 'svc:x:1234:\n',
  'usr/etc/selinux/config': 'SELINUXTYPE=own\n',
  'usr/etc/selinux/own/contexts/files/file_contexts': '/.* system_u:object_r:usr_t:s0\n',
  'usr/etc/selinux/own/contexts/files/file_contexts.local': '',
  'usr/etc/selinux/own/policy/policy.33': '',
  'usr/lib/tmpfiles.d/a.conf': 'd /var/x\n',
  'usr/share/rpm/rpmdb.sqlite': '',
  'var/lib/dpkg/status': 'Package: host\nStatus: install ok installed\nVersion: 1\n',
};

it('I13: a folder is read without reaching the host or waiting, wherever its links lead', async () => {
  const dir = temporaryFolder();
  const host = { ...CONTENT, 'usr/lib/passwd': 'host:x:77:0::/:/bin/sh\n' };
  await expectJailed({ dir, content: CONTENT, host }, someOfEach(placesOf(CONTENT), 2), async (folder, make) => {
    const [root, scratch] = [join(folder, 'root'), join(folder, 'scratch')];
    mkdirSync(scratch);
    make(root);
    const task = testTask(scratch);
    const refusals = await tryAll([
      async () => expect((await readTreeNames(root)).users.has(77)).toBe(false),
      () => treePolicy(root, task),
      () => treeComponents(root, undefined, { scratchDir: scratch }, task),
      () => declaredPaths(root),
    ]);
    expect(refusals.filter((line) => line.includes('expected'))).toEqual([]);
    return refusals;
  });
});

it('K7: a FIFO where users are looked for is refused with its path, and not waited for', async () => {
  const dir = temporaryFolder();
  makeTree(join(dir, 'tree'), { 'usr/lib/x': '', 'usr/etc/x': '' });
  await run('mkfifo', [join(dir, 'tree/usr/lib/passwd'), join(dir, 'tree/usr/etc/group')]);
  const request = { cacheDir: join(dir, 'cache'), scratchDir: join(dir, 'scratch'), bootable: false, timestamp: 1 };
  const settings = { owner: 'keep', var: 'folders' } as const;
  await expect(takeFolder(join(dir, 'tree'), settings, request, testTask(dir))).rejects.toMatchObject({
    code: 'compose',
    message: expect.stringMatching(/(group|passwd): is a FIFO[\s\S]*(group|passwd): is a FIFO/),
  });
});

it('I13: the package database of a commit is not looked for where its links lead', async () => {
  const dir = temporaryFolder();
  const [tree, repo, guard] = [join(dir, 'tree'), join(dir, 'repo'), join(dir, 'guard')];
  makeTree(tree, { 'usr/share/rpm/rpmdb.sqlite': '' });
  const before = makeGuard(guard, { 'usr/share/rpm/rpmdb.sqlite': '' });
  plant(tree, 'usr/share/rpm/rpmdb.sqlite', 'absolute', guard);
  await run('ostree', ['init', `--repo=${repo}`, '--mode=archive']);
  const { stdout } = await run('ostree', ['commit', `--repo=${repo}`, '--orphan', `--tree=dir=${tree}`]);
  const commit = { repo, checksum: stdout.trim(), names: ['x'] };
  await expect(packageFilesOf(commit, join(dir, 'work'), testTask(dir))).rejects.toMatchObject({
    code: 'compose',
    message: expect.stringContaining('rpmdb.sqlite is a symbolic link'),
  });
  expect(picture(guard)).toEqual(before);
  expect(existsSync(join(dir, 'work'))).toBe(false);
});
