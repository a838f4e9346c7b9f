import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../src/base/task.ts';
import { buildLab, updateLab } from '../../src/lab/build-lab.ts';
import { parseUpdateinfo } from '../../src/rpm/updateinfo.ts';

/** A lab of four .debs made here, without any archive or network. */
const dir = mkdtempSync(join(tmpdir(), 'atomic-nightly-lab-'));
const lab = join(dir, 'lab');
const said: string[] = [];
const abort = new AbortController();
const task: Task = {
  signal: abort.signal,
  logFile: join(dir, 'log'),
  say: (line) => said.push(line),
  progress: () => undefined,
};
const home = join(dir, 'home');

function deb(
  name: string,
  control: string,
  files: Record<string, string | { text: string | Buffer; mode: number }>,
  groupShadow: readonly string[] = [],
): string {
  const root = join(dir, 'debs', name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === 'string' ? content : content.text);
  }
  mkdirSync(join(root, 'DEBIAN'), { recursive: true });
  writeFileSync(
    join(root, 'DEBIAN/control'),
    `Package: ${name}\nMaintainer: T <t@t.invalid>\nDescription: ${name}\n${control}`,
  );
  const conffiles = Object.keys(files).filter((path) => path.startsWith('etc/'));
  writeFileSync(join(root, 'DEBIAN/conffiles'), conffiles.map((path) => `/${path}\n`).join(''));
  const file = join(dir, 'debs', `${name}_1_all.deb`);
  execFileSync('chown', ['-R', '0:0', root]);
  for (const path of groupShadow) chownSync(join(root, path), 0, 42);
  for (const [path, content] of Object.entries(files)) {
    // chown takes the setuid bit away.
    if (typeof content !== 'string') chmodSync(join(root, path), content.mode);
  }
  execFileSync('dpkg-deb', ['--build', root, file]);
  return file;
}

const rpm = (...args: string[]): string =>
  execFileSync('rpm', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const rpms = (): string[] =>
  ['lab-base', 'lab-sig-atomic'].flatMap((repo) =>
    readdirSync(join(lab, repo))
      .filter((file) => file.endsWith('.rpm'))
      .map((file) => join(lab, repo, file)),
  );
const rpmOf = (name: string): string => {
  const found = rpms().find((file) => rpm('-qp', '--nosignature', '--qf', '%{NAME}', file) === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};
/** A fresh root from the lab's own .repo file, gpgcheck as it says. */
function install(root: string, ...packages: string[]): string {
  mkdirSync(home, { recursive: true });
  writeFileSync(join(dir, 'dnf.conf'), `[main]\nreposdir=${lab}\ncachedir=${join(dir, 'dnf')}\n`);
  return execFileSync(
    'dnf',
    [
      '-y',
      '-c',
      join(dir, 'dnf.conf'),
      '--noplugins',
      '--releasever=12',
      `--installroot=${root}`,
      'install',
      ...packages,
    ],
    { encoding: 'utf8', env: { ...process.env, HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
}
let debs: string[] = [];

beforeAll(() => {
  debs = [
    deb(
      'tool',
      'Version: 1:1.2p1-3+deb12u1\nArchitecture: amd64\nDepends: libtool-a | libtool-b, debconf, helper (>= 1.0)\n',
      {
        'bin/tool': { text: '#!/bin/sh\nexit 0\n', mode: 0o4755 },
        'etc/tool.conf': 'a=1\n',
        'var/lib/tool/state': 'never packed\n',
        'run/tool/x': 'never packed\n',
        'usr/share/man/de/man1/tool.1': 'x',
        'usr/bin/[[': 'odd name\n',
      },
    ),
    deb('libtool-b', 'Version: 2.0~rc1\nArchitecture: all\nProvides: libvirtual\n', {
      'lib/libtool/b': 'b\n',
      'usr/share/doc/libtool-b/copyright': 'free\n',
    }),
    deb(
      'helper',
      'Version: 1.0-1\nArchitecture: all\nBreaks: libvirtual (<< 2)\n',
      { 'usr/share/helper/x': { text: 'x\n', mode: 0o2755 } },
      ['usr/share/helper/x'],
    ),
    deb('extra', 'Version: 1\nArchitecture: amd64\n', {
      'usr/libexec/extra': { text: readFileSync('/usr/bin/true'), mode: 0o755 },
      'usr/share/doc/extra/copyright': 'free\n',
    }),
  ];
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const build = () => buildLab({ dir: lab, publicUrl: 'http://lab.invalid/atomic/', packages: [], debs }, task);

describe('a lab from local packages', () => {
  it('publishes signed packages that install with their checks on', async () => {
    const made = await build();
    expect(made.changed).toEqual(['lab-base', 'lab-sig-atomic']);
    expect(made.packageCount).toBe(10);
    const root = join(dir, 'root');
    install(root, 'tool', 'lab-release-atomic', 'lab-atomic-remote-nightly');
    expect(statSync(join(root, 'usr/bin/tool')).mode & 0o7777).toBe(0o4755);
    const helper = statSync(join(root, 'usr/share/helper/x'));
    expect([helper.gid, helper.mode & 0o7777]).toEqual([42, 0o2755]);
    expect(readFileSync(join(root, 'etc/ostree/remotes.d/lab-atomic.conf'), 'utf8')).toContain(
      'url=http://lab.invalid/atomic/repo\n',
    );
    expect(statSync(join(root, 'etc/shadow')).mode & 0o7777).toBe(0o600);
    expect(readFileSync(join(root, 'etc/pki/rpm-gpg/RPM-GPG-KEY-lab'), 'utf8')).toBe(
      readFileSync(made.publicKey, 'utf8'),
    );
    expect(readdirSync(join(root, 'usr/share/ostree/trusted.gpg.d'))).toEqual(['lab-atomic.gpg']);
  });

  it('maps names, versions, dependencies and marks', () => {
    const query = (tag: string): string[] =>
      rpm('-qp', '--nosignature', '--qf', `[%{${tag}}\n]`, rpmOf('tool')).trim().split('\n');
    expect(rpm('-qp', '--nosignature', rpmOf('tool')).trim()).toBe('tool-1.2^p1-3+deb12u1.x86_64');
    expect(rpm('-qp', '--nosignature', '--qf', '%{EPOCH}', rpmOf('tool'))).toBe('1');
    expect(query('REQUIRES')).toContain('(libtool-a or libtool-b)');
    expect(query('REQUIRES')).not.toContain('debconf');
    expect(query('FILENAMES')).toEqual([
      '/etc/tool.conf',
      '/usr/bin/[[',
      '/usr/bin/tool',
      '/usr/share/man/de',
      '/usr/share/man/de/man1',
      '/usr/share/man/de/man1/tool.1',
      '/var/lib/tool',
    ]);
    expect(rpm('-qp', '--nosignature', '--configfiles', rpmOf('tool')).trim()).toBe('/etc/tool.conf');
    expect(rpm('-qp', '--nosignature', '--qf', '[%{FILELANGS} ]', rpmOf('tool'))).toContain('de');
  });

  it('says which files are programs of 64 bits, by which rpm decides between those of two architectures', () => {
    expect(rpm('-qp', '--nosignature', '--qf', '[%{FILENAMES} %{FILECOLORS}\n]', rpmOf('extra'))).toBe(
      '/usr/libexec/extra 2\n/usr/share/doc/extra 0\n/usr/share/doc/extra/copyright 0\n',
    );
  });

  it('leaves the top level to filesystem and the accounts to setup', () => {
    const owners = (path: string): string[] =>
      rpms().filter((file) => rpm('-qpl', '--nosignature', file).split('\n').includes(path));
    for (const path of ['/etc', '/usr', '/bin', '/var']) expect(owners(path)).toEqual([rpmOf('filesystem')]);
    for (const path of ['/etc/passwd', '/etc/group', '/etc/nsswitch.conf'])
      expect(owners(path)).toEqual([rpmOf('setup')]);
  });

  it('does nothing when nothing has changed', async () => {
    const before = statSync(join(lab, 'lab-base/repodata/repomd.xml'));
    const ran = () => readFileSync(task.logFile, 'utf8').match(/^\$ .*$/gm) ?? [];
    const runBefore = ran().length;
    expect((await build()).changed).toEqual([]);
    expect(ran().slice(runBefore)).toEqual([]);
    expect(statSync(join(lab, 'lab-base/repodata/repomd.xml')).mtimeMs).toBe(before.mtimeMs);
  });

  it('makes the same bytes again but for the signature', async () => {
    const digest = (file: string): string => rpm('-qp', '--nosignature', '--qf', '%{SHA256HEADER}', file);
    const other = join(dir, 'other');
    await buildLab({ dir: other, publicUrl: 'http://lab.invalid', packages: [], debs }, task);
    const name = rpmOf('tool').slice(lab.length);
    expect(digest(other + name)).toBe(digest(lab + name));
  });

  it('publishes an update with changed content, installable beside what is older', async () => {
    const made = await updateLab({ dir: lab, packages: ['helper', 'tool'] }, task);
    expect(made.changed).toEqual(['lab-base']);
    expect(rpm('-qp', '--nosignature', rpmOf('tool')).trim()).toBe('tool-1.2^p1-3+deb12u1^lab1.x86_64');
    const root = join(dir, 'root2');
    install(root, 'tool');
    expect(readFileSync(join(root, 'usr/bin/tool'), 'utf8')).toBe('#!/bin/sh\nexit 0\n# lab update 1 of tool\n');
    expect((await updateLab({ dir: lab, packages: ['tool'] }, task)).changed).toEqual(['lab-base']);
    expect(rpms().filter((file) => file.includes('/tool-'))).toHaveLength(1);
    expect(rpmOf('tool')).toContain('^lab2');
  });

  it('says what an update is for: in its changelog, and in an advisory of the repository', () => {
    const log = rpm('-qp', '--nosignature', '--changelog', rpmOf('tool'));
    expect(log.match(/^\* .* - .*\^lab\d$/gm)).toEqual([
      expect.stringContaining('^lab2'),
      expect.stringContaining('^lab1'),
    ]);
    expect(rpm('-qp', '--nosignature', '--changelog', rpmOf('setup'))).not.toContain('Lab');
    const folder = join(lab, 'lab-base/repodata');
    const file = readdirSync(folder).find((name) => name.includes('updateinfo')) ?? '';
    const found = parseUpdateinfo(gunzipSync(readFileSync(join(folder, file))).toString());
    expect(found.map(({ id, type, cves }) => [id, type, cves])).toEqual(
      expect.arrayContaining([
        ['LAB-helper-1', 'security', ['CVE-0000-1001']],
        ['LAB-tool-2', 'bugfix', []],
      ]),
    );
    const of = found.find(({ id }) => id === 'LAB-tool-2')?.packages[0];
    expect(`tool-${of?.version}-${of?.release}.${of?.arch}`).toBe('tool-1.2^p1-3+deb12u1^lab2.x86_64');
  });

  it('takes a package out, and a later build leaves it out', async () => {
    await updateLab({ dir: lab, packages: [], remove: ['extra'] }, task);
    expect(rpms().some((file) => file.includes('/extra-'))).toBe(false);
    expect((await build()).changed).toEqual([]);
    expect(rpms().some((file) => file.includes('/extra-'))).toBe(false);
  });

  it('keeps a treefile that was edited', async () => {
    const { treefile } = await build();
    writeFileSync(treefile, 'ref: mine\n');
    await build();
    expect(readFileSync(treefile, 'utf8')).toBe('ref: mine\n');
  });

  it('refuses names it does not have, and a folder without a lab', async () => {
    await expect(updateLab({ dir: lab, packages: ['nonsense'] }, task)).rejects.toMatchObject({
      code: 'package-missing',
    });
    await expect(updateLab({ dir: dir, packages: [] }, task)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('goes on after an interruption', async () => {
    const other = join(dir, 'interrupted');
    const stop = new AbortController();
    let packed = 0;
    const stopping: Task = {
      ...task,
      signal: stop.signal,
      progress: (done) => {
        packed = done;
        if (done === 3) stop.abort(new Error('stopped'));
      },
    };
    const request = { dir: other, publicUrl: 'http://lab.invalid', packages: [], debs };
    await expect(buildLab(request, stopping)).rejects.toThrow();
    expect(packed).toBeGreaterThanOrEqual(3);
    said.length = 0;
    expect((await buildLab(request, task)).changed).toHaveLength(2);
    expect(Number(/Packing (\d+) RPMs/.exec(said.join('\n'))?.[1])).toBeLessThanOrEqual(7);
  });
});
