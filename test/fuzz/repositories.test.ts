import { describe, expect, it } from 'vitest';
import { compareEvr, formatEvra, parseEvra, parseNevra, rpmFileName } from '../../src/rpm/evr.ts';
import { FormatError } from '../../src/rpm/format-error.ts';
import { parseLockfile } from '../../src/rpm/lockfile.ts';
import { parseOther } from '../../src/rpm/other-metadata.ts';
import { parsePrimary } from '../../src/rpm/primary.ts';
import { parseRepoFile } from '../../src/rpm/repofile.ts';
import { parseMetalink, parseMirrorlist, parseRepomd } from '../../src/rpm/repomd.ts';
import { parsePackageDigests } from '../../src/rpm/repository/package-digests.ts';
import { isPackageName, isRepoId } from '../../src/rpm/rpm-names.ts';
import { parseUpdateinfo } from '../../src/rpm/updateinfo.ts';
import { fuzz, mutatedText } from '../support/fuzz.ts';

/** What the reader of a repository turns into an error that names the repository. */
const refusals = [FormatError];
const BASE = 'https://mirror.example.org/os/';
const SUM = 'a'.repeat(64);

/** No name that was let in leads out of a folder. */
function expectFileName(name: string, evra: string): void {
  const file = rpmFileName(name, evra);
  expect(file).not.toMatch(/[/\\\0\n]/);
  expect(file).toMatch(/^[A-Za-z0-9_].*\.rpm$/);
}

describe('text from outside never becomes a path: repositories', () => {
  it('repomd.xml', () => {
    const repomd = `<?xml version="1.0"?><repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary"><checksum type="sha256">${SUM}</checksum><location href="repodata/primary.xml.gz"/><timestamp>1763690054.75</timestamp></data><data type="filelists"><timestamp>1</timestamp></data></repomd>`;
    fuzz(mutatedText([repomd]), parseRepomd, {
      refusals,
      check: ({ generated, files }) => {
        expect(Number.isSafeInteger(generated)).toBe(true);
        new Date(generated * 1000).toISOString();
        for (const { href } of files) expect(new URL(href, BASE).href.startsWith(BASE)).toBe(true);
      },
    });
  });

  it('primary.xml', () => {
    const primary = `<metadata xmlns:rpm="x"><package type="rpm"><name>a-b</name><arch>noarch</arch><version epoch="1" ver="2.0~rc1" rel="1.el9"/><checksum type="sha256" pkgid="YES">${SUM}</checksum><size package="12"/><location href="Packages/a/a-b.rpm"/><format><rpm:provides><rpm:entry name="a"/></rpm:provides><file>/usr/bin/a</file></format></package><package><name>c</name><arch>x86_64</arch><version epoch="0" ver="1" rel="1"/><location xml:base="http://x.example.org/" href="c.rpm"/></package></metadata>`;
    fuzz(mutatedText([primary]), (text) => parsePrimary(text, BASE), {
      refusals,
      check: (packages) => {
        for (const { name, evra, url, id } of packages) {
          expectFileName(name, evra);
          expect(formatEvra(id)).toBe(evra);
          expect(new URL(url).protocol).toMatch(/^https?:$/);
          if (url.startsWith(BASE)) expect(new URL(url).href.startsWith(BASE)).toBe(true);
        }
      },
    });
  });

  it('paths and digests of primary.xml', () => {
    const primary = `<metadata xmlns="x" packages="2">\n<package type="rpm"><name>a</name><checksum type="sha256" pkgid="YES">${SUM}</checksum><location href="Packages/a/a.rpm"/></package>\n<package type="rpm"><name>b</name><checksum type="sha" pkgid="YES">aa</checksum><location href="b&amp;.rpm"/></package></metadata>`;
    fuzz(mutatedText([primary]), parsePackageDigests, {
      refusals,
      check: (digests) => {
        for (const [path, digest] of digests) {
          expect(new URL(path, BASE).href.startsWith(BASE)).toBe(true);
          expect(digest).toMatch(/^(|sha(256|384|512):[0-9a-f]+)$/);
        }
      },
    });
  });

  it('updateinfo.xml', () => {
    const updateinfo =
      '<updates><update type="security"><id>X-1</id><title>fix</title><severity>Low</severity><references><reference type="cve" id="CVE-1"/></references><pkglist><collection><package name="a" version="1.0" release="1" epoch="0" arch="noarch"/></collection></pkglist></update></updates>';
    fuzz(mutatedText([updateinfo]), parseUpdateinfo, {
      refusals,
      check: (advisories) => {
        for (const { packages } of advisories) for (const one of packages) expectFileName(one.name, formatEvra(one));
      },
    });
  });

  it('other.xml', () => {
    const other =
      '<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="1"><package pkgid="x" name="a" arch="noarch"><version epoch="0" ver="1.0" rel="1"/><changelog author="Jo &lt;jo@example.org&gt; - 1.0-1" date="1767225600">- first</changelog></package></otherdata>';
    fuzz(mutatedText([other]), (text) => parseOther(text, new Set(['a-1.0-1.noarch'])), {
      refusals,
      check: (found) => {
        for (const [nevra, entries] of found) {
          expect(nevra).toBe('a-1.0-1.noarch');
          for (const { time } of entries) new Date(time * 1000).toISOString();
        }
      },
    });
  });

  it('metalinks and mirror lists', () => {
    const metalink =
      '<metalink><files><file name="repomd.xml"><resources><url preference="50">https://b.example.org/os/repodata/repomd.xml</url><url>http://a.example.org/repodata/repomd.xml</url></resources></file></files></metalink>';
    const check = (urls: readonly string[]): void => {
      for (const url of urls) expect(new URL(url).protocol).toMatch(/^(https?|file):$/);
    };
    fuzz(mutatedText([metalink]), parseMetalink, { refusals, check });
    fuzz(mutatedText(['# x\nhttp://a.example.org/\r\nhttps://b/x\nfile:///srv/os/\n']), parseMirrorlist, { check });
  });

  it('.repo files', () => {
    const repo =
      '[base] # x\nname=a $releasever\nbaseurl="https://u:p@a.example.org/$basearch"\n http://b/\ngpgcheck=1\ngpgkey=file:///k, keys/k2\nproxy=http://p:1\nsslverify=no\n\n[b]\nmetalink=https://m/?a=${basearch}\n';
    fuzz(mutatedText([repo]), (text) => parseRepoFile(text, '/x/a.repo', { basearch: 'x86_64', releasever: '9' }), {
      check: (repos) => {
        for (const { id } of repos) expect(isRepoId(id)).toBe(true);
      },
    });
  });

  it('lockfiles', () => {
    const lockfile = JSON.stringify({
      packages: {
        app: { evra: '1:3.0-1.x86_64', digest: `sha256:${SUM}` },
        b: { evr: '1-1' },
        c: { evra: '2-1.noarch' },
      },
      metadata: { generated: '2026-11-21T02:40:54Z', rpmmd_repos: { base: { generated: 'x' } } },
    });
    fuzz(mutatedText([lockfile]), (text) => parseLockfile(text, '/x/lock.json'), {
      check: ({ packages }) => {
        for (const [name, { evra }] of Object.entries(packages)) expectFileName(name, evra);
        expect(Object.getPrototypeOf(packages)).toBe(Object.prototype);
      },
    });
  });

  it('names and versions of packages', () => {
    const nevra = ['bash-5.2-1.el9.x86_64', 'a-b-1:2.0~rc1^git-1.noarch', '3:1-1.noarch', '1.0-1.i686'];
    fuzz(mutatedText(nevra), (text) => [parseNevra(text), parseEvra(text)] as const, {
      check: ([named, evra]) => {
        if (named) {
          expect(isPackageName(named.name)).toBe(true);
          expectFileName(named.name, formatEvra(named));
          expect(compareEvr(named, named)).toBe(0);
        }
        if (evra) expectFileName('x', formatEvra(evra));
      },
    });
  });
});
