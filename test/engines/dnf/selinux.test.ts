import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { movePolicyStore, settlePolicy, withSubstitutions } from '../../../src/engines/dnf/tree/tree-selinux.ts';
import type { Composed } from '../../../src/engines/engine.ts';
import { run } from '../../../src/programs/exec.ts';
import { MINI_TREEFILE, type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import { selinuxRecipes } from '../../support/selinux-recipes.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { composeMini, makePlace, ostree, type Place } from './support.ts';

describe('a tree with an SELinux policy', () => {
  let place: Place;
  let distro: MiniDistro;
  let composed: Composed;
  let deployment: string;
  beforeAll(async () => {
    place = await makePlace();
    distro = await makeMiniDistro(join(place.dir, 'distro'));
    const recipes = await selinuxRecipes();
    await distro.publish(...recipes);
    await distro.writeTreefile({
      selinux: true,
      packages: [...(MINI_TREEFILE['packages'] as string[]), ...recipes.map(({ name }) => name)],
      postprocess: ['#!/bin/sh\nset -e\nsetsebool -P -N mini_allowed on\n'],
    });
    composed = await composeMini(distro, place);
    deployment = join(place.dir, 'deployment');
    await ostree('checkout', `--repo=${place.repo}`, composed.commit, deployment);
    cpSync(join(deployment, 'usr/etc'), join(deployment, 'etc'), { recursive: true, verbatimSymlinks: true });
    // semodule compiles the policy four times.
  }, 240_000);
  afterAll(() => rmSync(place.dir, { recursive: true, force: true }));

  /** What a host lets programs write to: its /etc and /var, the rest of a deployment is read-only. */
  const onHost = async (...argv: readonly string[]): Promise<string> => {
    const binds = ['--ro-bind', deployment, '/', '--bind', join(deployment, 'etc'), '/etc'];
    return (await run('bwrap', [...binds, '--bind', join(deployment, 'var'), '/var', '--dev', '/dev', ...argv])).stdout;
  };

  it('has the modules in /etc, where libsemanage is told to look for them, and none in /var', async () => {
    expect(await ostree('cat', `--repo=${place.repo}`, composed.commit, '/usr/etc/selinux/semanage.conf')).toMatch(
      /^store-root=\/etc\/selinux\n(?!store-root)/m,
    );
    const store = '/usr/etc/selinux/default/active';
    const listed = await ostree('ls', '-R', `--repo=${place.repo}`, composed.commit, '/usr/etc/selinux', '/var');
    expect(listed).toContain(`${store}/modules/100/base/cil`);
    expect(listed).toMatch(new RegExp(`^d00700 .* ${store}$`, 'm'));
    expect(listed).not.toContain('LOCK');
    expect(listed).not.toContain(' /var/');
    const tmpfiles = await Promise.all(
      ['rpm-ostree-0-integration.conf', 'rpm-ostree-1-autovar.conf'].map((name) =>
        ostree('cat', `--repo=${place.repo}`, composed.commit, `/usr/lib/tmpfiles.d/${name}`),
      ),
    );
    expect(tmpfiles.join('').match(/^.*selinux.*$/gm)).toEqual(['L /var/lib/selinux - - - - ../../etc/selinux']);
  });

  it("labels every path as the tree's own matchpathcon does, what its packages' modules say among it", async () => {
    const { stdout } = await run('find', [deployment, '-path', join(deployment, 'etc'), '-prune', '-o', '-print0']);
    const paths = stdout.split('\0').filter((path) => path !== '');
    const labels = await labelsOf(deployment);
    const expected: string[] = [];
    const found: string[] = [];
    for (const part of chunks(paths.map((path) => path.slice(deployment.length) || '/'))) {
      for (const line of (await onHost('/usr/sbin/matchpathcon', ...part)).trimEnd().split('\n')) {
        const [path = '', label = ''] = line.split('\t');
        expected.push(`${path} ${label}`);
        found.push(`${path} ${labels.get(path === '/' ? deployment : deployment + path) ?? '<<none>>'}`);
      }
    }
    // Policies leave /proc alone, as the kernel labels it; the folder it is mounted on gets /mnt's label from ostree
    // (ostree-sepolicy.c), so that it has one.
    const mnt = (await onHost('/usr/sbin/matchpathcon', '-n', '-m', 'dir', '/mnt')).trim();
    expect(found).toEqual(expected.map((line) => (line === '/proc <<none>>' ? `/proc ${mnt}` : line)));
    expect(found.length).toBe(paths.length);
    expect(found).toContain('/usr/bin/app system_u:object_r:mini_exec_t:s0');
    expect(found).toContain('/usr/etc/shadow system_u:object_r:shadow_t:s0');
    expect(found).toContain('/usr/etc/selinux/default/policy/policy.33 system_u:object_r:policy_config_t:s0');
    expect(found).toContain('/usr/lib/modules/6.0.0-1/vmlinuz system_u:object_r:modules_object_t:s0');
  });

  it('labels homes wherever they are reached, and /usr/etc as /etc', async () => {
    const labels = (
      await onHost('/usr/sbin/matchpathcon', '-m', 'file', '-n', ...HOMES, '/etc/shadow', '/usr/etc/shadow')
    )
      .trimEnd()
      .split('\n');
    expect(labels.slice(0, 2)).toEqual(Array(2).fill('unconfined_u:object_r:ssh_home_t:s0'));
    expect(labels.slice(2)).toEqual(Array(2).fill('system_u:object_r:shadow_t:s0'));
  });

  it('lets a host list modules and keep a boolean for good, with nothing but /etc to write to', async () => {
    expect((await onHost('/usr/sbin/semodule', '-l')).split('\n')).toEqual(
      expect.arrayContaining(['base', 'mini', 'ssh']),
    );
    const booleans = join(deployment, 'etc/selinux/default/active/booleans.local');
    expect(readFileSync(booleans, 'utf8')).toContain('mini_allowed=1');
    await onHost('/usr/sbin/setsebool', '-P', '-N', 'ssh_sysadm_login', 'on');
    expect(readFileSync(booleans, 'utf8')).toContain('ssh_sysadm_login=1');
  });

  it('I10 is the same commit when composed again', async () => {
    expect((await composeMini(distro, place)).contentChecksum).toBe(composed.contentChecksum);
  });

  it('refuses a module that does not fit the policy, with what semodule says', async () => {
    const root = join(place.dir, 'broken');
    await ostree('checkout', `--repo=${place.repo}`, composed.commit, root);
    mkdirSync(join(root, 'etc'));
    const module = join(root, 'usr/etc/selinux/default/active/modules/100/ssh/cil');
    writeFileSync(module, '(allow no_such_t self (file (read)))\n');
    await expect(settlePolicy({ root, timestamp: 1, compile: true }, place.task)).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringMatching(/policy \(default\) does not compile:.*Failed to resolve/s),
    });
  });
});

const HOMES = ['/home/anna/.ssh/authorized_keys', '/var/home/anna/.ssh/authorized_keys'];

async function labelsOf(folder: string): Promise<ReadonlyMap<string, string>> {
  const options = ['-R', '-P', '-h', '--absolute-names', '-n', 'security.selinux'];
  const { stdout } = await run('getfattr', [...options, folder], { okExitCodes: [0, 1] });
  const entries = [...stdout.matchAll(/^# file: (.*)\nsecurity\.selinux="([^"\\]*)/gm)];
  return new Map(entries.map(([, path = '', label = '']) => [path, label]));
}

function* chunks(paths: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < paths.length; start += 500) yield paths.slice(start, start + 500);
}

describe('places of a policy', () => {
  function treeWith(files: Readonly<Record<string, string>>): string {
    const root = temporaryFolder();
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(root, path, '..'), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return root;
  }
  const text = (root: string, path: string): string => readFileSync(join(root, path), 'utf8');

  test('the stores of all policies move, and what semanage.conf says of another place counts no more', async () => {
    const root = treeWith({
      'var/lib/selinux/targeted/active/modules/100/base/cil': 'a',
      'var/lib/selinux/mls/active/modules/100/base/cil': 'b',
      'var/lib/selinux/final/leftover': '',
      'usr/etc/selinux/semanage.conf': 'module-store = direct\nstore-root=/var/lib/selinux',
    });
    await movePolicyStore(root);
    expect(text(root, 'usr/etc/selinux/targeted/active/modules/100/base/cil')).toBe('a');
    expect(text(root, 'usr/etc/selinux/mls/active/modules/100/base/cil')).toBe('b');
    expect(text(root, 'usr/etc/selinux/semanage.conf')).toBe(
      'module-store = direct\nstore-root=/var/lib/selinux\nstore-root=/etc/selinux\n',
    );
    expect((await run('find', [join(root, 'var')])).stdout).not.toContain('selinux');
  });

  test('a policy without a store, or one that is in /etc already, is left as it is', async () => {
    const files = {
      'usr/etc/selinux/semanage.conf': 'module-store = direct\n',
      'usr/etc/selinux/targeted/active/modules/100/base/cil': 'a',
    };
    const root = treeWith(files);
    await movePolicyStore(root);
    for (const [path, content] of Object.entries(files)) expect(text(root, path)).toBe(content);
  });

  test('one that is in both places is refused', async () => {
    const root = treeWith({
      'var/lib/selinux/targeted/active/modules/100/base/cil': 'a',
      'usr/etc/selinux/targeted/active/modules/100/base/cil': 'b',
    });
    await expect(movePolicyStore(root)).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringContaining('targeted has modules in both'),
    });
  });

  test('without semodule in the tree the policy stays as it is, which the log says', async () => {
    const root = treeWith({
      'usr/etc/selinux/config': 'SELINUXTYPE=targeted\n',
      'usr/etc/selinux/targeted/active/modules/100/base/cil': 'a',
      'usr/etc/selinux/targeted/contexts/files/file_contexts.subs_dist': '/var/home /home\n',
      'usr/etc/selinux/targeted/semanage.trans.LOCK': '',
    });
    const task = testTask(root);
    await settlePolicy({ root, timestamp: 1, compile: true }, task);
    expect(task.lines.join('\n')).toContain('no semodule');
    expect(text(root, 'usr/etc/selinux/targeted/contexts/files/file_contexts.subs_dist')).toContain(
      '/home /var/home\n',
    );
    expect(() => text(root, 'usr/etc/selinux/targeted/semanage.trans.LOCK')).toThrow();
  });

  test("substitutions are rpm-ostree's, and lead to where the policy has homes", () => {
    const before = '# aliases\n/run /var/run\n/var/home /home\n/etc/init.d /etc/rc.d/init.d\n';
    const own = ['/usr/etc /etc', '/usr/etc/init.d /etc/rc.d/init.d', '/usr/lib/opt /opt'];
    const lines = (homes: '/home' | '/var/home') =>
      withSubstitutions(before, homes)
        .split('\n')
        .filter((line) => !line.startsWith('#'));
    const old = ['/run /var/run', '/etc/init.d /etc/rc.d/init.d'];
    expect(lines('/var/home')).toEqual([...old, '/home /var/home', ...own, '']);
    expect(lines('/home')).toEqual([old[0], '/var/home /home', old[1], ...own, '']);
  });

  test('substitutions made once are not made again', () => {
    const line = fc.constantFrom(
      '/a /b',
      '/var/home /home',
      '/home /var/home',
      '/etc/x /y',
      '/usr/etc /etc',
      '# note',
      '',
    );
    const homes = fc.constantFrom<'/home' | '/var/home'>('/home', '/var/home');
    fc.assert(
      fc.property(fc.array(line), homes, (lines, place) => {
        const once = withSubstitutions(lines.map((each) => `${each}\n`).join(''), place);
        expect(withSubstitutions(once, place)).toBe(once);
        const active = once.split('\n').filter((each) => /^\/(var\/)?home /.test(each));
        expect(new Set(active)).toEqual(new Set([place === '/home' ? '/var/home /home' : '/home /var/home']));
      }),
    );
  });
});
