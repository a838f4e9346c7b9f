import { describe, expect, it } from 'vitest';
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
      after: ['filesystem'],
      files: [
        { path: '/usr/bin/[', kind: 'file' },
        { path: '/etc/a b.conf', kind: 'file', mark: 'config' },
        { path: '/usr/share/locale/de', kind: 'folder', lang: 'de' },
        { path: '/usr/bin/ping', kind: 'file', capabilities: 'cap_net_raw=ep' },
        { path: '/usr/bin/chage', kind: 'file', owner: { user: 'root', group: 'shadow' } },
        { path: '/usr/share/doc/x/50%', kind: 'file', mark: 'doc' },
      ],
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
      '',
    ]);
  });
});
