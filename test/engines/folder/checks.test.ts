import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import { quietTask } from '../../../src/base/task.ts';
import type { CheckoutConfig } from '../../../src/config/config.ts';
import { createCheckoutEngine } from '../../../src/engines/folder/checkout-engine.ts';
import { treeComponents } from '../../../src/engines/folder/components.ts';
import { parseProvenanceReport } from '../../../src/engines/folder/provenance-report.ts';
import { scanFolder } from '../../../src/engines/folder/scan-folder.ts';
import { readCommit } from '../../../src/ostree/objects.ts';
import { run } from '../../../src/programs/exec.ts';
import { smallTree } from '../../support/folder-world.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

const task = quietTask();

/** A folder with a small tree, and what commits it. */
async function bed(settings: Partial<CheckoutConfig> = {}, bootable = false) {
  const dir = temporaryFolder();
  const tree = join(dir, 'tree');
  const repo = join(dir, 'repo');
  await smallTree(tree);
  await run('ostree', ['init', `--repo=${repo}`, '--mode=archive']);
  const request = {
    cacheDir: join(dir, 'cache'),
    scratchDir: join(dir, 'scratch'),
    bootable,
    timestamp: 1_700_000_000,
  };
  const commit = async (parent?: string) => {
    const engine = await createCheckoutEngine({
      type: 'checkout',
      path: tree,
      owner: 'keep',
      var: 'folders',
      ...settings,
    });
    const { inputHash } = await engine.readInputs(request, task);
    const more = parent === undefined ? {} : { parent };
    return engine.compose({ ...request, ...more, inputHash, repo, ref: 'a/b', version: '1' }, task);
  };
  return {
    dir,
    commit,
    tree,
    repo,
    put: (path: string, text = '') => {
      mkdirSync(join(tree, path, '..'), { recursive: true });
      writeFileSync(join(tree, path), text);
    },
    async faults(): Promise<string[]> {
      try {
        await commit();
      } catch (error) {
        if (error instanceof NightlyError && error.code === 'compose') return error.message.split('\n').slice(1);
        throw error;
      }
      return [];
    },
    ls: async (commit: string, ...options: string[]) =>
      (await run('ostree', [`--repo=${repo}`, 'ls', '-R', ...options, commit])).stdout.replaceAll(/ +/g, ' '),
  };
}

test('everything that keeps a folder from becoming a tree is in one message, each with its path', async () => {
  const { tree, put, faults } = await bed({}, true);
  await run('mkfifo', [join(tree, 'usr/fifo')]);
  await run('mknod', [join(tree, 'usr/null'), 'c', '1', '3']);
  await run('python3', [
    '-c',
    `import socket; socket.socket(socket.AF_UNIX).bind(${JSON.stringify(join(tree, 'usr/sock'))})`,
  ]);
  await run('python3', [
    '-c',
    `import os; open(${JSON.stringify(join(tree, 'usr/lib'))}.encode()+b"/x\\xff\\ny", "w")`,
  ]);
  put('usr/lib/mine');
  chownSync(join(tree, 'usr/lib/mine'), 1000, 100);
  put('usr/etc/other');
  put('var/lib/app/data');
  put('usr/lib/modules/6.1/vmlinuz');
  expect((await faults()).toSorted()).toEqual([
    '  /etc: is there beside /usr/etc, which is its place in a tree',
    '  /usr/fifo: is a FIFO, which a commit cannot hold',
    '  /usr/lib/mine: belongs to 1000:100, whom the tree does not name (see "owner")',
    '  /usr/lib/modules/6.1: has vmlinuz and no initramfs.img beside it',
    '  /usr/lib/x\\xff\\x0ay: name that is not UTF-8, which ostree cannot store',
    '  /usr/null: is a device, which a commit cannot hold',
    '  /usr/sock: is a socket, which a commit cannot hold',
    '  /var/lib/app/data: is below /var, which hosts fill themselves (see "var: tmpfiles")',
  ]);
});

test('a folder is refused that is none, deeper than can be named, or in which /var is not a folder', async () => {
  const { dir, tree, faults } = await bed();
  await run('python3', [
    '-c',
    `import os
at = os.open(${JSON.stringify(tree)} + '/usr/lib', os.O_RDONLY)
for _ in range(45):
  os.mkdir('d' * 100, dir_fd=at)
  at = os.open('d' * 100, os.O_RDONLY, dir_fd=at)`,
  ]);
  rmSync(join(tree, 'var'), { recursive: true });
  symlinkSync('usr/lib', join(tree, 'var'));
  expect(await faults()).toEqual([
    '  /var: is not a folder',
    expect.stringMatching(/^ {2}\/usr\/lib\/d+\/d+…: is deeper than a program can name/),
  ]);
  // Node's own removal cannot name what is so deep.
  await run('rm', ['-rf', tree]);
  writeFileSync(join(dir, 'file'), '');
  symlinkSync('circle', join(dir, 'circle'));
  for (const [path, why] of [
    ['none', 'is missing'],
    ['file', 'is a file'],
    ['file/below', 'is missing'],
    ['circle', 'is a link that leads in a circle'],
  ]) {
    const other = await bed({ path: join(dir, path ?? '') });
    await expect(other.commit()).rejects.toMatchObject({
      code: 'compose',
      message: `There is no folder ${join(dir, path ?? '')}: it ${why}.`,
    });
  }
});

test('K7: the root of this machine, or a folder around the work folder, is refused before it is read', async () => {
  for (const path of ['/', '/tmp/..', tmpdir()]) {
    const { commit } = await bed({ path });
    await expect(commit()).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringMatching(/^\/\S* cannot be committed: the work folder is in it/),
    });
  }
});

test('a folder that somebody writes to while it is read is refused as such, never as a fault of ours', async () => {
  const { tree } = await bed();
  let looked = 0;
  const signal = new AbortController().signal;
  // It is asked before each folder; the first is the tree itself.
  signal.throwIfAborted = () => {
    looked += 1;
    if (looked === 2) rmSync(join(tree, 'usr'), { recursive: true });
  };
  await expect(scanFolder(tree, { ...task, signal })).rejects.toMatchObject({
    code: 'compose',
    message: expect.stringMatching(/ changed while the folder was read\.$/),
  });
});

test('a tree that is to boot from now on is a new one', async () => {
  const { dir, tree, put } = await bed();
  put('usr/lib/modules/6.1/vmlinuz');
  put('usr/lib/modules/6.1/initramfs.img');
  const engine = await createCheckoutEngine({ type: 'checkout', path: tree, owner: 'keep', var: 'folders' });
  const hash = async (bootable: boolean) =>
    (
      await engine.readInputs(
        { cacheDir: join(dir, 'cache'), scratchDir: join(dir, 'scratch'), bootable, timestamp: 1 },
        task,
      )
    ).inputHash;
  expect(await hash(false)).toBe(await hash(false));
  expect(await hash(true)).not.toBe(await hash(false));
});

test('a bootable tree has one kernel, with its initramfs beside it', async () => {
  const { put, commit, faults, repo } = await bed({}, true);
  expect(await faults()).toEqual([expect.stringContaining('/usr/lib/modules: has no kernel')]);
  put('usr/lib/modules/6.1/vmlinuz');
  put('usr/lib/modules/6.1/initramfs.img');
  const made = await commit();
  expect(made.kernel).toBe('6.1');
  const { metadata } = await readCommit(repo, made.commit);
  expect([metadata.get('ostree.linux')?.value, metadata.get('ostree.bootable')?.value]).toEqual(['6.1', true]);
  put('usr/lib/modules/6.2/vmlinuz');
  put('usr/lib/modules/6.2/initramfs.img');
  expect(await faults()).toHaveLength(2);
});

test('owners of the build machine are mapped, to root or all of them; the ids that a tree names are its own', async () => {
  for (const [owner, mine, systems] of [
    ['map', '0 0', '5 7'],
    ['root', '0 0', '0 0'],
  ] as const) {
    const { tree, put, commit, ls } = await bed({ owner });
    for (const path of ['usr/lib/mine', 'usr/lib/systems', 'usr/lib/named']) put(path);
    chownSync(join(tree, 'usr/lib/mine'), 1000, 1000);
    chownSync(join(tree, 'usr/lib/systems'), 5, 7);
    chownSync(join(tree, 'usr/lib/named'), 1234, 0);
    put('usr/lib/passwd', 'svc:x:1234:0::/:/bin/sh\n');
    const listed = await ls((await commit()).commit);
    expect(listed).toContain(`${mine} 0 /usr/lib/mine`);
    expect(listed).toContain(`${systems} 0 /usr/lib/systems`);
    expect(listed).toContain(`${owner === 'root' ? '0 0' : '1234 0'} 0 /usr/lib/named`);
    // Again, from what is known of unchanged files.
    expect(await ls((await commit()).commit)).toBe(listed);
  }
});

test('what is in /var becomes lines for systemd-tmpfiles where that is asked for', async () => {
  const { tree, put, commit, repo, ls } = await bed({ var: 'tmpfiles' });
  put('var/lib/app/data');
  symlinkSync('lib', join(tree, 'var/link'));
  const made = await commit();
  expect(await ls(made.commit)).not.toContain('/var/');
  const conf = await run('ostree', [
    `--repo=${repo}`,
    'cat',
    made.commit,
    '/usr/lib/tmpfiles.d/atomic-nightly-var.conf',
  ]);
  expect(conf.stdout.split('\n').slice(1)).toEqual([
    'd /var/lib 0755 0 0 - -',
    'd /var/lib/app 0755 0 0 - -',
    'L /var/link - - - - lib',
    '',
  ]);
});

test('I10: labels that a build machine with SELinux gives its files are not in a tree without a policy', async () => {
  const { tree, put, commit, repo } = await bed();
  put('usr/bin/ping', 'ping');
  put('usr/bin/other user', 'other');
  put('usr/share/empty/.keep');
  await run('ln', [join(tree, 'usr/bin/ping'), join(tree, 'usr/bin/linked')]);
  await run('ln', ['-s', 'ping', join(tree, 'usr/bin/link')]);
  await run('setcap', ['cap_net_raw=ep', join(tree, 'usr/bin/ping')]);
  await run('chown', ['12:34', join(tree, 'usr/bin/other user')]);
  await run('chmod', ['4711', join(tree, 'usr/bin/other user')]);
  const plain = await commit();
  const label = ['-h', '-n', 'security.selinux', '-v', 'system_u:object_r:user_home_t:s0'];
  await run('find', [tree, '-exec', 'setfattr', ...label, '{}', '+']);
  const labelled = await commit(plain.commit);
  const { stdout } = await run('ostree', [`--repo=${repo}`, 'ls', '-R', '-X', labelled.commit]);
  expect(stdout).not.toContain('security.selinux');
  expect(stdout).toMatch(/security\.capability.*\/usr\/bin\/ping\n/);
  expect(stdout).toMatch(/-04711 12 34 .*\/usr\/bin\/other user\n/);
  expect(labelled.contentChecksum).toBe(plain.contentChecksum);
  // One file changes: what is known of the others is taken from the index, without labels as well.
  put('usr/bin/more', 'more');
  await run('setfattr', [...label, join(tree, 'usr/bin/more')]);
  const third = await commit(labelled.commit);
  expect((await run('ostree', [`--repo=${repo}`, 'ls', '-R', '-X', third.commit])).stdout).not.toContain('selinux');
});

test('extended attributes and capabilities stay, hard links are not shared, and the same folder is the same content', async () => {
  const { dir, tree, put, commit, ls } = await bed();
  put('usr/bin/ping', 'x');
  await run('setcap', ['cap_net_raw+ep', join(tree, 'usr/bin/ping')]);
  await run('ln', [join(tree, 'usr/bin/app'), join(dir, 'in-a-cache')]);
  const first = await commit();
  expect(await ls(first.commit, '-X')).toMatch(/security\.capability.*\/usr\/bin\/ping/);
  expect((await run('stat', ['-c', '%h', join(dir, 'in-a-cache')])).stdout).toBe('2\n');
  await run('cp', ['-a', tree, `${tree}-copy`]);
  await run('find', [`${tree}-copy`, '-exec', 'touch', '-h', '{}', '+']);
  await run('rm', ['-rf', tree]);
  await run('mv', [`${tree}-copy`, tree]);
  const second = await commit(first.commit);
  expect(second.contentChecksum).toBe(first.contentChecksum);
  expect(second.commit).not.toBe(first.commit);
});

test('what changed is seen, whatever it is: content, mode, an attribute, a link, something gone', async () => {
  const { tree, put, commit } = await bed();
  put('usr/lib/a', '1');
  put('usr/lib/gone');
  symlinkSync('a', join(tree, 'usr/lib/link'));
  const long = new Date(Date.now() - 3_600_000);
  utimesSync(join(tree, 'usr/lib/a'), long, long);
  // From now on files are old enough for what is remembered of them to be believed.
  await sleep(2100);
  const seen = new Set([(await commit()).contentChecksum]);
  expect((await commit()).contentChecksum).toBe([...seen][0]);
  const changes: (() => Promise<unknown>)[] = [
    // Of the same size and with the old time.
    async () => {
      put('usr/lib/a', '2');
      utimesSync(join(tree, 'usr/lib/a'), long, long);
    },
    async () => put('usr/lib/b'),
    async () => run('chmod', ['600', join(tree, 'usr/lib/a')]),
    async () => run('setcap', ['cap_net_raw+ep', join(tree, 'usr/lib/a')]),
    async () => run('ln', ['-sfn', 'b', join(tree, 'usr/lib/link')]),
    async () => run('rm', [join(tree, 'usr/lib/gone')]),
  ];
  for (const [index, change] of changes.entries()) {
    await change();
    seen.add((await commit()).contentChecksum);
    expect(seen.size).toBe(index + 2);
  }
});

test('links of a hostile folder reach nothing of the host', async () => {
  const { dir, tree, commit, ls } = await bed({ owner: 'map', var: 'tmpfiles' });
  const outside = join(dir, 'outside');
  mkdirSync(join(outside, 'selinux/mine/contexts/files'), { recursive: true });
  writeFileSync(join(outside, 'secret'), 'secret\n');
  writeFileSync(join(outside, 'passwd'), 'host:x:1000:0::/:/bin/sh\n');
  symlinkSync(join(outside, 'passwd'), join(tree, 'usr/lib/passwd'));
  symlinkSync(outside, join(tree, 'usr/lib/tmpfiles.d'));
  symlinkSync(outside, join(tree, 'usr/share'));
  symlinkSync(`${'../'.repeat(30)}${join(outside, 'secret')}`, join(tree, 'usr/lib/link'));
  symlinkSync(join(outside, 'selinux'), join(tree, 'etc/selinux'));
  writeFileSync(join(outside, 'selinux/config'), 'SELINUXTYPE=mine\n');
  writeFileSync(join(outside, 'selinux/mine/contexts/files/file_contexts'), '/.* system_u:object_r:usr_t:s0\n');
  await expect(commit()).rejects.toThrow('/usr/lib/tmpfiles.d is not a folder in the tree');
  expect(existsSync(join(outside, 'atomic-nightly-var.conf'))).toBe(false);
  rmSync(join(tree, 'var'), { recursive: true });
  await expect(commit()).rejects.toThrow('/usr/share of the tree is not a folder');
  expect(existsSync(join(outside, 'atomic-nightly'))).toBe(false);
  rmSync(join(tree, 'usr/share'));
  const listed = await ls((await commit()).commit);
  // The link itself, whatever of the host it names, and no label by the policy behind another.
  expect(listed).toMatch(/l00777 0 0 0 \/usr\/lib\/link -> /);
  expect(await ls((await commit()).commit, '-X')).not.toContain('system_u');
  expect(existsSync(join(outside, 'atomic-nightly-var.conf'))).toBe(false);
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret\n');
});

test('files are labelled by the policy in the tree, those of /etc by their place there; another policy labels all anew', async () => {
  const { tree, put, commit, ls } = await bed();
  const contexts = 'etc/selinux/mine/contexts/files/file_contexts';
  put('etc/selinux/config', 'SELINUX=enforcing\nSELINUXTYPE=mine\n');
  const policy = (type: string) =>
    put(
      contexts,
      `/.* system_u:object_r:default_t:s0\n/usr/bin/.* system_u:object_r:${type}:s0\n/etc/app\\.conf system_u:object_r:conf_t:s0\n`,
    );
  policy('bin_t');
  await run('mkdir', ['-p', join(tree, 'etc/selinux/mine/policy')]);
  await run('cp', ['/etc/selinux/default/policy/policy.33', join(tree, 'etc/selinux/mine/policy/')]);
  await sleep(2100);
  const first = await ls((await commit()).commit, '-X');
  expect(first).toMatch(/object_r:bin_t:s0.* \/usr\/bin\/app/);
  expect(first).toMatch(/object_r:conf_t:s0.* \/usr\/etc\/app\.conf/);
  policy('exec_t');
  expect(await ls((await commit()).commit, '-X')).toMatch(/object_r:exec_t:s0.* \/usr\/bin\/app/);
});

test('a cache that was damaged is made anew by the next try', async () => {
  const { dir, put, commit, ls } = await bed();
  put('usr/lib/a', '1');
  await sleep(2100);
  const first = await commit();
  const cache = join(dir, 'cache/tree-repo');
  const object = (await ls(first.commit, '-C')).match(/ ([0-9a-f]{64}) \/usr\/lib\/a/)?.[1] ?? '';
  writeFileSync(join(cache, 'objects', object.slice(0, 2), `${object.slice(2)}.file`), 'damaged');
  await run('rm', ['-rf', join(dir, 'repo')]);
  await run('ostree', ['init', `--repo=${join(dir, 'repo')}`, '--mode=archive']);
  await expect(commit()).rejects.toThrow(/[Cc]orrupt|checksum/);
  expect((await commit()).contentChecksum).toBe(first.contentChecksum);
});

test('packages of an rpm or Debian database are components of the tree', async () => {
  const { put, commit } = await bed({ var: 'tmpfiles' });
  put(
    'var/lib/dpkg/status',
    'Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2+b7\n\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\nPackage: tar\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.34\n',
  );
  expect((await commit()).components).toEqual([
    { name: 'bash', epoch: '0', version: '5.2.15', release: '2+b7', arch: 'amd64' },
    { name: 'tar', epoch: '1', version: '1.34', release: '', arch: 'amd64' },
  ]);
});

test('a report is JSON or YAML, sorted, and refused with each fault and its place', () => {
  const read = (text: string) => parseProvenanceReport(text, '/x');
  expect(read('{"components": [{"name": "b"}, {"name": "a", "sources": [{"kind": "git"}]}]}')).toEqual({
    components: [
      { name: 'a', sources: [{ kind: 'git' }] },
      { name: 'b', sources: [] },
    ],
  });
  expect(() => read('components: [{name: a, what: b}, {sources: [{url: x}]}, {name: "a\\u202e"}]')).toThrow(
    /not a report: \/x has 4 faults:\n\/x:1:24: components\.0: unknown key "what"[\s\S]*components\.1: "name" is missing[\s\S]*components\.1\.sources\.0: "kind" is missing[\s\S]*\/x:1:64: components\.2\.name: .*must be one line/,
  );
  expect(() => read('components:\n- name: a\n- name: a\n')).toThrow(/\/x:3:9: the component "a" is there twice/);
  const bomb = `a: &a [${'x, '.repeat(50)}x]\nb: &b [${'*a, '.repeat(50)}*a]\ncomponents: [${'*b, '.repeat(50)}*b]\n`;
  for (const text of ['{', '', '- a', 'a: &a [x]\nb: &b [*a, *a]\n', 'components: [*b]', bomb])
    expect(() => read(text), text.slice(0, 80)).toThrow(
      expect.objectContaining({ code: 'compose', message: expect.stringMatching(/^What the command wrote.*\/x/) }),
    );
  const many = Array.from({ length: 50 }, () => '- {}').join('\n');
  expect(() => read(`components:\n${many}`)).toThrow(/and 30 more$/);
});

test('a component is told by its version, and by its key or what its sources are pinned to', async () => {
  const dir = temporaryFolder();
  const source = (digest: string) => ({ kind: 'tar', digest });
  const told = async (component: object) => {
    const report = parseProvenanceReport(JSON.stringify({ components: [{ name: 'a', ...component }] }), '/x');
    return (await treeComponents(dir, report, { scratchDir: dir }, task)).others.map(({ version }) => version);
  };
  const key = '9f86d081884c7d65';
  expect(await told({ version: '1.0' })).toEqual(['1.0']);
  expect(await told({ key })).toEqual(['9f86d081']);
  expect(await told({ version: '1.0', key })).toEqual(['1.0 (9f86d081)']);
  // Other content under the same version is a change, whichever of the sources has it.
  expect(await told({ version: '1.0', sources: [source('sha256:0123456789')] })).toEqual(['1.0 (01234567)']);
  const both = await told({ sources: [source('sha256:01'), source('sha256:02')] });
  expect(await told({ sources: [source('sha256:01'), source('sha256:03')] })).not.toEqual(both);
  expect(await told({ sources: [{ kind: 'local', url: 'files' }] })).toEqual([]);
});

test('a folder is stored once for its inputs and its commit; one that changed between them is refused', async () => {
  const { dir, tree, repo, put } = await bed();
  const engine = await createCheckoutEngine({ type: 'checkout', path: tree, owner: 'keep', var: 'folders' });
  const request = {
    ...{ cacheDir: join(dir, 'cache'), scratchDir: join(dir, 'scratch') },
    bootable: false,
    timestamp: 1,
  };
  const logged = testTask(dir);
  const { inputHash } = await engine.readInputs(request, logged);
  const compose = () => engine.compose({ ...request, inputHash, repo, ref: 'a/b', version: '1' }, logged);
  const { commit } = await compose();
  // What the tree says of itself is stored besides.
  expect(readFileSync(logged.logFile, 'utf8').split(`--tree=dir=${tree} `)).toHaveLength(2);
  // Without what is remembered, as in a build that is resumed.
  expect((await compose()).commit).toBe(commit);
  await engine.readInputs(request, logged);
  put('usr/lib/os-release', 'ID=other\n');
  await expect(compose()).rejects.toThrow('changed since this build began');
});

test('a provenance that the folder has already is replaced in the tree and stays in the folder', async () => {
  const { dir, tree, repo, put, commit } = await bed();
  const path = 'usr/share/atomic-nightly/provenance.json';
  const cat = async (checksum: string) => (await run('ostree', [`--repo=${repo}`, 'cat', checksum, `/${path}`])).stdout;
  mkdirSync(join(tree, 'usr/share/atomic-nightly'), { recursive: true });
  const without = await commit();
  put(path, 'somebody wrote this');
  const replaced = await commit();
  expect((await run('ostree', ['show', `--repo=${repo}`, replaced.commit])).stdout).toContain(
    `ContentChecksum:  ${replaced.contentChecksum}\n`,
  );
  expect(await cat(replaced.commit)).toBe(await cat(without.commit));
  expect(JSON.parse(await cat(replaced.commit))).toMatchObject({ schema: 'atomic-nightly/provenance' });
  expect(replaced.contentChecksum).toBe(without.contentChecksum);
  expect(readFileSync(join(tree, path), 'utf8')).toBe('somebody wrote this');
  const said: string[] = [];
  const engine = await createCheckoutEngine({ type: 'checkout', path: tree, owner: 'keep', var: 'folders' });
  const request = { cacheDir: join(dir, 'cache'), scratchDir: join(dir, 'scratch'), bootable: false, timestamp: 1 };
  const telling = { ...task, say: (text: string) => void said.push(text) };
  const { inputHash } = await engine.readInputs(request, telling);
  await engine.compose({ ...request, inputHash, repo, ref: 'a/b', version: '1' }, telling);
  expect(said.join('\n')).toContain(`/${path} of the folder is replaced in the tree`);

  for (const plant of [() => symlinkSync('/etc/hostname', join(tree, path)), () => mkdirSync(join(tree, path))]) {
    rmSync(join(tree, path), { recursive: true });
    plant();
    await expect(commit()).rejects.toThrow(
      `/${path} of the tree is not a file, and what the tree is made of goes there.`,
    );
  }
});

test('what no build needs any more leaves the cache in the end', async () => {
  const { dir, tree, commit } = await bed();
  await commit();
  const repo = join(dir, 'cache/tree-repo');
  const commits = async () => (await run('find', [repo, '-name', '*.commit'])).stdout.split('\n').length - 1;
  const make = `ostree commit --repo=${repo} --orphan --tree=dir=${join(tree, 'etc')} --timestamp=@$time`;
  await run('sh', ['-c', `for time in $(seq 31); do ${make}; done`]);
  expect(await commits()).toBeGreaterThan(30);
  await commit();
  expect(await commits()).toBe(1);
});
