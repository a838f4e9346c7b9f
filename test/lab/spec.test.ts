import { describe, expect, it } from 'vitest';
import { NO_SCRIPTS, rpmScripts } from '../../src/lab/scripts.ts';
import { specFile } from '../../src/lab/spec.ts';

const none = { requires: [], recommends: [], provides: [], conflicts: [], obsoletes: [] };

describe('specFile', () => {
  it('writes marks, and file names that no macro or pattern changes', () => {
    const text = specFile({
      name: 'x',
      evr: { epoch: 1, version: '2', release: '3' },
      arch: 'noarch',
      summary: '100% x',
      description: 'd',
      license: 'MIT',
      url: undefined,
      relations: { ...none, requires: ['(a or b)'] },
      scripts: NO_SCRIPTS,
      after: ['filesystem'],
      files: [
        { path: '/usr/bin/[', kind: 'file' },
        { path: '/etc/a b.conf', kind: 'file', mark: 'config' },
        { path: '/usr/share/locale/de', kind: 'folder', lang: 'de' },
        { path: '/usr/bin/ping', kind: 'file', capabilities: 'cap_net_raw=ep' },
        { path: '/usr/bin/chage', kind: 'file', owner: { user: 'root', group: 'shadow' } },
        { path: '/usr/share/doc/x/50%', kind: 'file', mark: 'doc' },
      ],
      changelog: [{ time: 1_767_225_600, evr: '1:2-3^lab1', text: '100% new' }],
    });
    expect(text).toContain('Epoch: 1\nVersion: 2\nRelease: 3\n');
    expect(text).toContain('Summary: 100%% x');
    expect(text).toContain('Requires(pre): filesystem\nRequires: (a or b)');
    expect(text.slice(text.indexOf('%files')).split('\n')).toEqual([
      '%files',
      '"/usr/bin/[[]"',
      '%config(noreplace) "/etc/a b.conf"',
      '%dir %lang(de) "/usr/share/locale/de"',
      '%caps(cap_net_raw=ep) "/usr/bin/ping"',
      '%attr(-, root, shadow) "/usr/bin/chage"',
      '%doc "/usr/share/doc/x/50%%"',
      '%changelog',
      '* Thu Jan 01 2026 Lab <lab@lab.invalid> - 1:2-3^lab1',
      '- 100%% new',
      '',
    ]);
  });

  it('writes scripts with what has to be there for them, and no macro of theirs', () => {
    const text = specFile({
      ...{ name: 'x', evr: { epoch: 0, version: '2', release: '3' }, arch: 'noarch', summary: 'x', description: 'd' },
      ...{ license: 'MIT', url: undefined, relations: none, after: ['filesystem'], files: [], changelog: [] },
      scripts: {
        ...NO_SCRIPTS,
        pre: ['groupadd x', 'date +%s'],
        post: ['true'],
        fileTriggers: [{ folders: ['/usr/lib', '/usr/lib64'], body: '/usr/sbin/ldconfig' }],
        requiresPre: ['passwd'],
        requiresPost: ['alternatives'],
        orderAfter: ['systemd'],
      },
    });
    expect(text).toContain(
      'Requires(pre): filesystem\nRequires(pre): passwd\nRequires(post): alternatives\nOrderWithRequires(post): systemd\n',
    );
    expect(text).toContain('%pre\ngroupadd x\ndate +%%s\n%post\ntrue\n');
    expect(text).toContain('%transfiletriggerin -P 2000000 -- /usr/lib /usr/lib64\n/usr/sbin/ldconfig\n%files');
  });
});

describe('rpmScripts', () => {
  const postinst = [
    "if deb-systemd-helper --quiet was-enabled 'a.service'; then",
    "  deb-systemd-helper enable 'a.service' >/dev/null || true",
    'fi',
    "deb-systemd-helper enable 'b.timer'",
    "deb-systemd-helper enable 'a.service'",
  ].join('\n');

  it('presets the units that the maintainer script enables, once each, when the package is new', () => {
    const { post, preun, orderAfter } = rpmScripts(postinst, { units: ['c@.service'] });
    expect(post).toEqual([
      'if [ $1 -eq 1 ] && [ -x /usr/bin/systemctl ]; then systemctl --no-reload preset a.service b.timer c@.service || :; fi',
    ]);
    expect(preun).toEqual([
      'if [ $1 -eq 0 ]; then systemctl --no-reload disable --now a.service b.timer c@.service || :; fi',
    ]);
    expect(orderAfter).toEqual(['systemd', 'system-release']);
  });

  it('adds accounts before the files, groups first, and needs the programs for it', () => {
    const users = [{ name: 'u', id: 7, group: 'g', home: '/', comment: 'a user' }];
    const { pre, requiresPre } = rpmScripts('', { groups: [['g', 8]], users });
    expect(pre).toEqual([
      'getent group g >/dev/null || groupadd -r -g 8 g',
      "getent passwd u >/dev/null || useradd -r -u 7 -g g -d / -s /usr/sbin/nologin -c 'a user' u",
    ]);
    expect(requiresPre).toEqual(['passwd', 'libc-bin', 'login']);
  });

  it('is nothing for a package that has none of it', () => {
    expect(rpmScripts('echo hello', {})).toEqual(NO_SCRIPTS);
  });
});
