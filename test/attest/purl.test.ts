import { PackageURL } from 'packageurl-js';
import { expect, test } from 'vitest';
import { parseOsRelease } from '../../src/attest/os-release.ts';
import { namedComponent, namedDeb, namedRpm } from '../../src/attest/purl.ts';
import type { Component } from '../../src/engines/provenance/component.ts';

const centos = { id: 'centos', name: 'CentOS Stream', versionId: '10' };

test('an RPM is named by its vendor, with epoch and distribution as qualifiers', () => {
  expect(namedRpm('bash-5.2.26-4.el10.x86_64', centos)).toEqual({
    name: 'bash',
    version: '5.2.26-4.el10',
    purl: 'pkg:rpm/centos/bash@5.2.26-4.el10?arch=x86_64&distro=centos-10',
  });
  expect(namedRpm('app-1:2.0^git1~rc1-1.noarch', centos)).toEqual({
    name: 'app',
    version: '1:2.0^git1~rc1-1',
    purl: 'pkg:rpm/centos/app@2.0%5Egit1~rc1-1?arch=noarch&distro=centos-10&epoch=1',
  });
  expect(namedRpm('no package', centos)).toBeUndefined();
});

test('a Debian package is named by its vendor', () => {
  const debian = { id: 'debian', name: 'Debian GNU/Linux', versionId: '12' };
  const { purl } = namedDeb({ name: 'libc++1', version: '1:14.0-16', arch: 'amd64' }, debian);
  expect(purl).toBe('pkg:deb/debian/libc%2B%2B1@1:14.0-16?arch=amd64&distro=debian-12');
});

test('a component is named with the first of its sources that is pinned', () => {
  const partsOf = (component: Component) => PackageURL.fromString(namedComponent(component).purl);
  const local = { kind: 'local' };
  const git = { kind: 'git', url: 'https://git.example.org/shell.git', commit: 'a'.repeat(40) };
  expect(partsOf({ name: 'base/shell.bst', version: '5.2', sources: [local, git] })).toMatchObject({
    type: 'generic',
    name: 'base/shell.bst',
    version: '5.2',
    qualifiers: { vcs_url: `git+https://git.example.org/shell.git@${'a'.repeat(40)}` },
  });
  const tar = { kind: 'tar', url: 'https://example.org/a.tar.gz', digest: `sha256:${'b'.repeat(64)}` };
  expect(partsOf({ name: 'a', key: 'f00', sources: [tar] })).toMatchObject({
    version: 'f00',
    qualifiers: { download_url: tar.url, checksum: tar.digest },
  });
  expect(partsOf({ name: 'a', sources: [local] })).toMatchObject({ name: 'a', version: undefined });
});

test('os-release is read as the shell reads it', () => {
  const text = `NAME="Foo \\"Bar\\" \\$1"\nID='Foo'\n# ID=no\nVERSION_ID=1\nVERSION_ID="2"\nnonsense\n`;
  expect(parseOsRelease(text)).toEqual({ id: 'foo', name: 'Foo "Bar" $1', versionId: '2' });
  expect(parseOsRelease('ID="a/../b"')).toEqual({ id: 'linux', name: '', versionId: '' });
});
