import { describe, expect, it } from 'vitest';
import { rpmFileName } from '../../src/rpm/evr.ts';
import { FormatError } from '../../src/rpm/format-error.ts';
import { parsePrimary } from '../../src/rpm/primary.ts';
import { isDigest, isPackageName, isRepoId, readChecksum, urlInRepository } from '../../src/rpm/rpm-names.ts';

const BASE = 'https://mirror.example.org/os/';

describe('text from outside never becomes a path (I12)', () => {
  it('takes the names that packages have, and no other', () => {
    for (const name of ['gcc-c++', 'libstdc++', '389-ds-base', 'perl-Foo_Bar', 'a.b']) {
      expect([name, isPackageName(name)]).toEqual([name, true]);
    }
    for (const name of [
      '',
      '.',
      '..',
      '../x',
      'a/b',
      '-a',
      '.a',
      'a b',
      'a\n',
      'a\0',
      '__proto__',
      'é',
      'a'.repeat(181),
    ]) {
      expect([name, isPackageName(name)]).toEqual([name, false]);
    }
    expect(() => rpmFileName('../x', '1-1.noarch')).toThrow(/names no package/);
    expect(() => rpmFileName('x', '../1-1.noarch')).toThrow(/names no package/);
  });

  it('takes the ids that dnf takes', () => {
    for (const id of ['base', 'a.b:c-d_e', '9']) expect([id, isRepoId(id)]).toEqual([id, true]);
    for (const id of ['', 'a b', 'a/b', '../x', '__proto__', 'a\n']) expect([id, isRepoId(id)]).toEqual([id, false]);
  });

  it('keeps a location in its repository, however it is written', () => {
    expect(urlInRepository(BASE, 'Packages/a/a+b~c^d-1.rpm', 'x')).toBe(`${BASE}Packages/a/a+b~c^d-1.rpm`);
    expect(urlInRepository(BASE, 'a%2Bb-1.rpm', 'x')).toBe(`${BASE}a%2Bb-1.rpm`);
    expect(urlInRepository(BASE, '100%/a.rpm', 'x')).toBe(`${BASE}100%/a.rpm`);
    const hostile = [
      '../a.rpm',
      'a/../../b.rpm',
      '%2e%2e/a.rpm',
      'a/%2E./b.rpm',
      'a%2f..%2fb',
      '/etc/shadow',
      '//evil.example.org/a.rpm',
      'https://evil.example.org/a.rpm',
      'file:///etc/shadow',
      'javascript:x',
      'a\\b',
      'a\nb',
      'a\0b',
      'a%00b',
      'a?b',
      'a#b',
      '%ff',
      '',
    ];
    for (const href of hostile) expect(() => urlInRepository(BASE, href, 'x'), href).toThrow(FormatError);
  });

  it('takes another base only from the web, and never makes a file of this machine of it', () => {
    const primary = (base: string) =>
      `<metadata><package type="rpm"><name>a</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/><location xml:base="${base}" href="a.rpm"/></package></metadata>`;
    expect(parsePrimary(primary('http://other.example.org/x'), BASE)[0]?.url).toBe('http://other.example.org/x/a.rpm');
    for (const base of ['file:///etc', '/etc', 'ftp://x/', 'http://', 'http://[']) {
      expect(() => parsePrimary(primary(base), BASE), base).toThrow(/no web address/);
    }
  });

  it('takes checksums that prove something, in their form', () => {
    expect(readChecksum('sha512', 'A'.repeat(128))).toBe(`sha512:${'a'.repeat(128)}`);
    expect(readChecksum('sha', 'a'.repeat(40))).toBeUndefined();
    expect(readChecksum('md5', '')).toBeUndefined();
    expect(() => readChecksum('sha256', '../x')).toThrow(FormatError);
    expect(isDigest(`sha256:${'a'.repeat(63)}`)).toBe(false);
    expect(isDigest(`toString:${'a'.repeat(64)}`)).toBe(false);
  });
});
