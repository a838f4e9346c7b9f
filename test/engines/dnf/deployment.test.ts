import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { MINI_TREEFILE, makeMiniDistro } from '../../support/mini-distro.ts';
import type { MiniRecipe } from '../../support/mini-rpm.ts';
import { composeMini, makePlace, ostree, type Place } from './support.ts';

const recipe = (name: string, more: Partial<MiniRecipe>): MiniRecipe => ({
  name,
  version: '1',
  release: '1',
  requires: ['filesystem', 'busybox'],
  files: [],
  ...more,
});

/** As Fedora's packages have it: state of alternatives in /var/lib, written by a %post. */
const editors = recipe('editors', {
  files: [
    { path: '/var/lib/alternatives', dir: true },
    { path: '/etc/alternatives', dir: true },
    { path: '/usr/bin/nano', text: '#!/bin/sh\n', mode: '0755' },
  ],
  post: [
    "printf 'auto\\n/usr/bin/editor\\n\\n/usr/bin/nano\\n40\\n\\n' > /var/lib/alternatives/editor",
    'ln -s /usr/bin/nano /etc/alternatives/editor',
    'ln -s /etc/alternatives/editor /usr/bin/editor',
  ].join('\n'),
});

const shadowUtils = recipe('shadow-utils', {
  files: [
    { path: '/etc/default/useradd', text: '# useradd defaults\nGROUP=100\nHOME=/home\nSHELL=/bin/sh\n', config: true },
  ],
});

const vendor = recipe('vendor', {
  files: [
    { path: '/opt/vendor app/bin/tool', text: '#!/bin/sh\n', mode: '0755' },
    { path: '/opt/vendor app/bin/again', link: 'tool' },
    { path: '/opt/vendor app/conf', link: '../../etc/hosts' },
    { path: '/usr/local/bin/admins', text: '#!/bin/sh\n', mode: '0755' },
  ],
});

const rootfiles = recipe('rootfiles', { files: [{ path: '/root/.bashrc', text: 'alias rm="rm -i"\n' }] });

const ostreePackage = recipe('ostree', {
  files: ['ostree-remount.service', 'ostree-finalize-staged.path'].map((name) => ({
    path: `/usr/lib/systemd/system/${name}`,
    text: '[Unit]\n',
  })),
});

describe('a deployment', () => {
  let place: Place;
  let commit: string;
  let host: string;
  const ls = (...paths: string[]) => ostree('ls', `--repo=${place.repo}`, commit, ...paths);

  beforeAll(async () => {
    place = await makePlace();
    const distro = await makeMiniDistro(join(place.dir, 'distro'));
    const more = [editors, shadowUtils, vendor, rootfiles, ostreePackage];
    await distro.publish(...more);
    await distro.writeTreefile({
      'default-target': 'svc.service',
      'initramfs-args': ['--no-hostonly', '--quiet'],
      packages: [...(MINI_TREEFILE['packages'] as string[]), ...more.map(({ name }) => name)],
    });
    ({ commit } = await composeMini(distro, place));
    const sysroot = join(place.dir, 'sysroot');
    const env = { OSTREE_SYSROOT_DEBUG: 'mutable-deployments' };
    mkdirSync(sysroot);
    await run('ostree', ['admin', 'init-fs', '--modern', sysroot]);
    await run('ostree', ['admin', 'os-init', `--sysroot=${sysroot}`, 'mini']);
    await ostree('pull-local', `--repo=${join(sysroot, 'ostree/repo')}`, place.repo, commit);
    await run('ostree', ['admin', 'deploy', `--sysroot=${sysroot}`, '--os=mini', commit], { env });
    host = join(sysroot, 'ostree/deploy/mini/deploy', `${commit}.0`);
    // What a first boot does.
    await run('systemd-tmpfiles', ['--create', `--root=${host}`], { okExitCodes: [0, 65, 73] });
  });
  afterAll(() => rmSync(place.dir, { recursive: true, force: true }));

  it('lists all its packages, wherever rpm looks for them', async () => {
    const list = async (dbpath: string) =>
      (await run('rpm', ['--root', host, '--dbpath', dbpath, '-qa', '--qf', '%{NAME}\n'])).stdout
        .trim()
        .split('\n')
        .sort();
    const names = await list('/usr/share/rpm');
    expect(names).toEqual(expect.arrayContaining(['app', 'editors', 'filesystem', 'kernel', 'vendor']));
    expect(await list('/var/lib/rpm')).toEqual(names);
    expect(await list('/usr/lib/sysimage/rpm')).toEqual(names);
    expect(await list('/usr/lib/sysimage/rpm-ostree-base-db')).toEqual(names);
    expect(readFileSync(join(host, 'usr/lib/rpm/macros.d/macros.rpm-ostree'), 'utf8')).toBe(
      '%_dbpath /usr/share/rpm\n',
    );
  });

  it('makes the homes of new users where they are', async () => {
    await run('useradd', ['--root', host, '--create-home', 'jane']);
    expect(readFileSync(join(host, 'etc/passwd'), 'utf8')).toMatch(/^jane:x:\d+:\d+::\/var\/home\/jane:\/bin\/sh$/m);
    expect(lstatSync(join(host, 'var/home/jane')).isDirectory()).toBe(true);
  });

  it('finds the alternatives that scripts have set up', async () => {
    expect(readlinkSync(join(host, 'var/lib/alternatives'))).toBe('../../usr/lib/alternatives');
    const folders = ['--altdir', join(host, 'etc/alternatives'), '--admindir', join(host, 'var/lib/alternatives')];
    expect((await run('update-alternatives', [...folders, '--query', 'editor'])).stdout).toContain(
      'Value: /usr/bin/nano',
    );
  });

  it('has what packages keep in /opt, and nothing of /usr/local', () => {
    expect(readFileSync(join(host, 'opt/vendor app/bin/tool'), 'utf8')).toBe('#!/bin/sh\n');
    expect(readlinkSync(join(host, 'var/opt/vendor app'))).toBe('../../usr/lib/opt/vendor app');
    expect(readlinkSync(join(host, 'usr/lib/opt/vendor app/bin/again'))).toBe('tool');
    expect(readlinkSync(join(host, 'usr/lib/opt/vendor app/conf'))).toBe('/etc/hosts');
    expect(readdirSync(join(host, 'var/usrlocal/bin'))).toEqual([]);
    expect(place.task.lines.join('\n')).toContain('1 file in /usr/local (/usr/local/bin/admins)');
  });

  it('has the folders for temporary files and caches, without what the compose left in them', () => {
    expect(lstatSync(join(host, 'var/tmp')).mode & 0o7777).toBe(0o1777);
    expect(existsSync(join(host, 'root/.bashrc'))).toBe(false);
  });

  it('boots the target of the treefile, and has ostree’s own units enabled, from /usr', async () => {
    expect(await ls('/usr/lib/systemd/system/default.target')).toContain('default.target -> svc.service');
    expect(existsSync(join(host, 'etc/systemd/system/default.target'))).toBe(false);
    for (const unit of ['ostree-remount.service', 'ostree-finalize-staged.path']) {
      expect(await ls(`/usr/lib/systemd/system/multi-user.target.wants/${unit}`)).toContain(`-> ../${unit}`);
      expect(readFileSync(join(host, 'usr/lib/systemd/system-preset/40-rpm-ostree-auto.preset'), 'utf8')).toContain(
        `enable ${unit}\n`,
      );
    }
  });

  it('lets a user look into the initramfs, and says in the commit how it was made', async () => {
    expect(await ls('/usr/lib/modules/6.0.0-1/initramfs.img')).toMatch(/^-00644 /);
    const args = await ostree('show', `--repo=${place.repo}`, '--print-metadata-key=rpmostree.initramfs-args', commit);
    expect(args.trim()).toBe("['--no-hostonly', '--quiet']");
  });
});
