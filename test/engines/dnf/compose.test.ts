import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Composed } from '../../../src/engines/engine.ts';
import { run } from '../../../src/programs/exec.ts';
import { type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import { composeMini, makePlace, ostree, type Place } from './support.ts';

const PARENT = 'b'.repeat(64);

/** A tree of a real build says what it is made of. */
const PROVENANCE = { treefile: { digest: 'd'.repeat(64), files: [] }, signatures: false };

describe('a composed tree', () => {
  let distro: MiniDistro;
  let place: Place;
  let composed: Composed;
  const cat = (path: string) => ostree('cat', `--repo=${place.repo}`, composed.commit, path);
  const ls = (...paths: string[]) => ostree('ls', `--repo=${place.repo}`, composed.commit, ...paths);
  const metadata = async (key: string) =>
    (await ostree('show', `--repo=${place.repo}`, `--print-metadata-key=${key}`, composed.commit)).trim();

  beforeAll(async () => {
    place = await makePlace();
    distro = await makeMiniDistro(join(place.dir, 'distro'), { signed: true });
    const folder = join(distro.dir, 'treefile');
    writeFileSync(join(folder, 'motd'), 'welcome\n');
    writeFileSync(join(folder, 'finish.sh'), '#!/bin/sh\necho "$SOURCE_DATE_EPOCH" > /usr/share/finished\n');
    chmodSync(join(folder, 'finish.sh'), 0o755);
    writeFileSync(
      join(folder, 'passwd'),
      'svc:x:990:990:svc:/var/lib/svc:/sbin/nologin\nbin:x:1:1:bin:/bin:/sbin/nologin\n',
    );
    await distro.writeTreefile({
      'machineid-compat': true,
      units: ['svc.service'],
      'etc-group-members': ['wheel'],
      'check-passwd': { type: 'file', filename: 'passwd' },
      'check-groups': { type: 'data', entries: { svc: 990 } },
      'mutate-os-release': '1',
      postprocess: ['#!/bin/sh\nset -e\necho inline > /etc/inline\n[ -e /usr/etc/inline ]\n'],
      'postprocess-script': 'finish.sh',
      'add-files': [['motd', '/etc/motd']],
      'remove-files': ['usr/bin/tac', '/etc/hosts'],
      'remove-from-packages': [['app', '/usr/share/app/.*']],
      'add-commit-metadata': { 'mini.number': 7, 'mini.list': ['a', true] },
    });
    composed = await composeMini(distro, place, {
      parent: PARENT,
      metadata: { 'atomic-nightly.stream': "o'ne" },
      provenance: PROVENANCE,
    });
  });
  afterAll(() => rmSync(place.dir, { recursive: true, force: true }));

  it("has an rpm-ostree commit's top level", async () => {
    const lines = (await ls('/')).split('\n').map((line) => line.replace(/^(\S+) +\d+ +\d+ +\d+ /, '$1 '));
    expect(lines.slice(1, -1).sort()).toEqual(
      [
        ...['bin -> usr/bin', 'home -> var/home', 'lib -> usr/lib', 'lib64 -> usr/lib64', 'media -> run/media'],
        ...['mnt -> var/mnt', 'opt -> var/opt', 'ostree -> sysroot/ostree', 'root -> var/roothome'],
        ...['sbin -> usr/sbin', 'srv -> var/srv'],
      ]
        .map((link) => `l00777 /${link}`)
        .concat(['boot', 'dev', 'proc', 'run', 'sys', 'sysroot', 'usr', 'var'].map((name) => `d00755 /${name}`))
        .concat('d01777 /tmp')
        .sort(),
    );
    expect(await ls('/usr/local')).toContain('/usr/local -> ../var/usrlocal');
    expect(await ls('/var')).toMatch(/^\S+ 0 0 +0 \/var\n$/);
  });

  it('keeps setuid and file capabilities', async () => {
    expect(await ls('/usr/bin/suid')).toMatch(/^-04755 /);
    expect(await ls('-X', '/usr/bin/capable')).toContain('security.capability');
  });

  it('says to systemd-tmpfiles what packages have in /var', async () => {
    const lines = (await cat('/usr/lib/tmpfiles.d/rpm-ostree-1-autovar.conf')).split('\n');
    expect(lines).toContain('d /var/lib/svc 0750 svc svc - -');
    expect(lines).toContain('L /var/lib/svc-current - - - - svc');
    expect(lines).toContain('d /var/log/svc 0755 svc svc - -');
    expect(lines.some((line) => line.includes('/var/lib/rpm'))).toBe(false);
  });

  it('has users in usr/lib, and in etc too without nss-altfiles', async () => {
    const lib = (await cat('/usr/lib/passwd')).split('\n').map((line) => line.split(':')[0]);
    expect(lib).toEqual(expect.arrayContaining(['bin', 'nobody', 'svc']));
    expect(lib).not.toContain('root');
    expect(await cat('/usr/etc/passwd')).toMatch(/^root:.*^svc:/ms);
    expect(await cat('/usr/etc/shadow')).toMatch(/^bin:\*::0.*^svc:!:::::::?$/ms);
    expect(place.task.lines.join('\n')).toContain('libnss_altfiles');
  });

  it('keeps the rpm database in usr/share/rpm, without journal or lock', async () => {
    expect((await ls('/usr/share/rpm')).trim().split('\n')).toHaveLength(2);
    expect(await ls('/usr/lib/sysimage/rpm')).toContain('-> ../../share/rpm');
    const out = join(place.dir, 'checkout');
    await ostree('checkout', `--repo=${place.repo}`, '-U', composed.commit, out);
    const { stdout } = await run('rpm', [
      '--dbpath',
      join(out, 'usr/share/rpm'),
      '-qa',
      '--qf',
      '%{NAME} %{INSTALLTIME}\n',
    ]);
    expect(stdout).toMatch(/^app 17950000\d\d$/m);
    rmSync(out, { recursive: true });
  });

  it('does what the treefile says', async () => {
    expect(await cat('/usr/etc/inline')).toBe('inline\n');
    expect(await cat('/usr/share/finished')).toBe('1795000000\n');
    expect(await cat('/usr/etc/motd')).toBe('welcome\n');
    expect(await ls('/usr/etc')).not.toContain('/usr/etc/hosts');
    expect(await ls('-R', '/usr/share')).not.toContain('/usr/share/app/data');
    expect(await ls('-R', '/usr/share')).not.toContain('README');
    expect(await ls('/usr/etc/systemd/system/multi-user.target.wants')).toContain(
      'svc.service -> /usr/lib/systemd/system/svc.service',
    );
    expect(await cat('/usr/lib/os-release')).toMatch(
      /^VERSION="20261121_01 \(Test\)".*^OSTREE_VERSION='20261121_01'$/ms,
    );
    expect(JSON.parse(await cat('/usr/share/rpm-ostree/treefile.json'))).toMatchObject({ ref: 'mini/x86_64/nightly' });
  });

  it("has rpm-ostree's metadata", async () => {
    expect(await metadata('version')).toBe("'20261121_01'");
    expect(await metadata('rpmostree.inputhash')).toMatch(/^'[0-9a-f]{64}'$/);
    expect(await metadata('rpmostree.rpmmd-repos')).toMatch(/^\[\{'id': <'mini'>, 'timestamp': <uint64 \d+>\}\]$/);
    const packages = await metadata('rpmostree.rpmdb.pkglist');
    expect(packages).toMatch(/^\[\('app', '1', '2\.0', '1', 'noarch'\), \('busybox', '0', '1\.35', '1', 'x86_64'\)/);
    expect(await metadata('ostree.bootable')).toBe('true');
    expect(await metadata('ostree.linux')).toBe("'6.0.0-1'");
    expect(await metadata('ostree.ref-binding')).toBe("['mini/x86_64/nightly']");
    expect(await metadata('atomic-nightly.stream')).toBe('"o\'ne"');
    expect(await metadata('mini.number')).toBe('int64 7');
    expect(await metadata('mini.list')).toBe("[<'a'>, <true>]");
    expect(await ostree('show', `--repo=${place.repo}`, composed.commit)).toMatch(
      new RegExp(`Parent: +${PARENT}\nContentChecksum: +${composed.contentChecksum}\nDate: +2026-11-18 11:06:40`),
    );
  });

  it('moves no ref and leaves a sound repository', async () => {
    expect(await ostree('refs', `--repo=${place.repo}`)).toBe('');
    await ostree('fsck', `--repo=${place.repo}`, '--quiet');
  });

  it('is the same for the same lockfile, treefile and time, elsewhere, later and after a kill (I10, I4)', async () => {
    const other = await makePlace();
    try {
      // What a killed try leaves behind.
      mkdirSync(join(other.dir, 'scratch/root/usr/share'), { recursive: true });
      writeFileSync(join(other.dir, 'scratch/root/usr/share/leftover'), 'x');
      const again = await composeMini(distro, other, {
        parent: PARENT,
        metadata: { 'atomic-nightly.stream': "o'ne" },
        provenance: PROVENANCE,
      });
      expect(again.initramfs).toBe('built');
      expect(again.contentChecksum).toBe(composed.contentChecksum);
      expect(again.commit).toBe(composed.commit);
    } finally {
      rmSync(other.dir, { recursive: true, force: true });
    }
  });

  it('is the same wherever the packages lie, and whenever the metadata was made (I10)', async () => {
    const other = await makePlace();
    try {
      const mirror = join(other.dir, 'mirror');
      await run('cp', ['-r', distro.repoDir, mirror]);
      // A folder that comes before all others, for packages that come late.
      mkdirSync(join(mirror, '0'));
      for (const name of readdirSync(mirror).filter((file) => /^(suid|svc|setup)-.*\.rpm$/.test(file))) {
        renameSync(join(mirror, name), join(mirror, '0', name));
      }
      await run('createrepo_c', ['--quiet', '--no-database', '--revision', '7', mirror]);
      await distro.writeRepoFile({ baseurl: pathToFileURL(mirror).href });
      const again = await composeMini(distro, other, { parent: PARENT, provenance: PROVENANCE });
      expect(again.contentChecksum).toBe(composed.contentChecksum);
    } finally {
      await distro.writeRepoFile();
      rmSync(other.dir, { recursive: true, force: true });
    }
  });
});
