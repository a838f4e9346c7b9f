import { describe, expect, it } from 'vitest';
import { parseNevra } from '../../src/rpm/evr.ts';
import { parsePackageList } from '../../src/rpm/package-list.ts';
import { bySource, sourceLine } from '../../src/rpm/source-distance.ts';
import { distanceText, upstreamDistance } from '../../src/rpm/upstream-distance.ts';

const list = (...nevras: readonly string[]) => nevras.flatMap((one) => parseNevra(one) ?? []);

describe('upstreamDistance', () => {
  it('tells what is missing, older, newer and extra, in the order of RPM versions', () => {
    const ours = list('a-1-1.noarch', 'b-1.10-1.noarch', 'c-2:1-1.noarch', 'd-1~rc1-1.noarch', 'mine-1-1.noarch');
    const upstream = list('a-1-1.noarch', 'b-1.9-1.noarch', 'c-3-1.noarch', 'd-1-1.noarch', 'theirs-1-1.noarch');
    expect(upstreamDistance(ours, upstream, [])).toEqual({
      missing: ['theirs-1-1.noarch'],
      older: [{ name: 'd', ours: '1~rc1-1.noarch', upstream: '1-1.noarch' }],
      newer: [
        { name: 'b', ours: '1.10-1.noarch', upstream: '1.9-1.noarch' },
        { name: 'c', ours: '2:1-1.noarch', upstream: '3-1.noarch' },
      ],
      extra: ['mine-1-1.noarch'],
    });
  });

  it('leaves out what is ignored, and goes by the newest of a name on either side', () => {
    const ours = list('kernel-core-5.14.0-1.x86_64', 'kernel-core-5.14.0-2.x86_64', 'centos-release-9-1.noarch');
    const upstream = list('kernel-core-5.14.0-3.x86_64', 'redhat-release-9-1.noarch', 'ostree-2025.1-1.x86_64');
    const found = upstreamDistance(ours, upstream, ['centos-*', 'redhat-releas?']);
    expect(found.kernel).toEqual({ ours: '5.14.0-2', upstream: '5.14.0-3' });
    expect(distanceText(found)).toBe(
      '1 missing, 1 older, 0 newer, 0 extra; kernel 5.14.0-2 against 5.14.0-3; ostree none against 2025.1-1',
    );
  });
});

describe('bySource', () => {
  it('groups what differs by the package it is made from, on whichever side that is known', () => {
    const ours = list('curl-1-1.el9.x86_64', 'libcurl-1-1.el9.x86_64', 'mine-1-1.noarch', 'unknown-1-1.noarch');
    const upstream = list(
      'curl-2-1.el9.x86_64',
      'libcurl-2-1.el9.x86_64',
      'curl-tool-2-1.el9.x86_64',
      'told-1-1.noarch',
    );
    const from = (source: string) => (name: string) => ({ name, source });
    const found = bySource(
      upstreamDistance(ours, upstream, []),
      [
        ...['curl', 'libcurl'].map(from('curl-1-1.el9.src.rpm')),
        { name: 'mine', source: '../mine.rpm' },
        { name: 'unknown' },
      ],
      ['curl', 'curl-tool', 'libcurl'].map(from('curl-2-1.el9.src.rpm')),
    );
    expect(found).toEqual([
      {
        ...{ name: 'curl', ours: '1-1.el9', upstream: '2-1.el9' },
        ...{ missing: ['curl-tool'], older: ['curl', 'libcurl'], newer: [], extra: [] },
      },
    ]);
    expect(found.map(sourceLine)).toEqual(['curl (1-1.el9, upstream 2-1.el9): missing curl-tool; older curl, libcurl']);
  });
});

describe('parsePackageList', () => {
  it('reads a NEVRA a line, or a lockfile', () => {
    const text = '# of today\n\na-1:2-3.noarch\nlib-b-1-1.el9.x86_64  # why\n';
    expect(parsePackageList(text, 'URL')).toEqual(list('a-1:2-3.noarch', 'lib-b-1-1.el9.x86_64'));
    const lockfile = JSON.stringify({ packages: { a: { evra: '1:2-3.noarch' } } });
    expect(parsePackageList(lockfile, 'URL')).toEqual(list('a-1:2-3.noarch'));
  });

  it('reads what rpm prints on a host, with the keys it trusts and packages without an epoch', () => {
    const text =
      'gpg-pubkey-8483c65d-5ccc5b19.(none)\ngpg-pubkey-(none):8483c65d-5ccc5b19.(none)\na-(none):2-3.noarch\r\ngpg-pubkey-8483c65d-5ccc5b19\n';
    expect(parsePackageList(text, 'URL')).toEqual(list('a-2-3.noarch'));
    expect(() => parsePackageList('gpg-pubkeys-1-1.(none)\n', 'URL')).toThrow(
      'URL:1: "gpg-pubkeys-1-1.(none)" is no name-',
    );
    expect(() => parsePackageList('gpg-pubkey-8483c65d-5ccc5b19.(none)\n', 'URL')).toThrow('URL lists no packages.');
  });

  it('names the line that is none', () => {
    expect(() => parsePackageList('a-1-1.noarch\n<html>\n', 'URL')).toThrow('URL:2: "<html>" is no name-');
    expect(() => parsePackageList('\n', 'URL')).toThrow('URL lists no packages.');
    expect(() => parsePackageList('{', 'URL')).toThrow('URL is not JSON');
  });
});
