import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDnfEngine } from '../../../src/engines/dnf/dnf-engine.ts';
import { readCommit } from '../../../src/ostree/objects.ts';
import { run } from '../../../src/programs/exec.ts';
import { type Lockfile, lockedEntries } from '../../../src/rpm/lockfile.ts';
import { formatDiff, lockedPackages, packageDiff } from '../../../src/rpm/pkgdiff.ts';
import { refuseStale } from '../../../src/steps/compose/repositories.ts';
import { readTreefile } from '../../../src/treefile/read.ts';
import { MINI_TREEFILE, type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import type { MiniRecipe } from '../../support/mini-rpm.ts';
import { composeMini, makePlace, ostree, type Place } from './support.ts';

let place: Place;
let distro: MiniDistro;
const packages = (...more: readonly string[]) => [...(MINI_TREEFILE['packages'] as string[]), ...more];

beforeEach(async () => {
  place = await makePlace();
  distro = await makeMiniDistro(join(place.dir, 'distro'));
});
afterEach(() => rmSync(place.dir, { recursive: true, force: true }));

async function resolve(lockfile?: Lockfile) {
  const engine = await createDnfEngine();
  const treefile = await readTreefile(distro.treefile, { basearch: 'x86_64' });
  engine.check(treefile);
  const cacheDir = join(place.dir, 'cache');
  return engine.resolve({ treefile, cacheDir, repo: place.repo, ...(lockfile ? { lockfile } : {}) }, place.task);
}

describe('two architectures of one library', () => {
  const multi = (arch: 'x86_64' | 'i686', release: string): MiniRecipe => ({
    name: 'multi',
    version: '1.0',
    release,
    arch,
    requires: ['filesystem'],
    files: [
      {
        path: `${arch === 'i686' ? '/usr/lib' : '/usr/lib64'}/libmulti.so`,
        text: `${arch} ${release}\n`,
        mode: '0755',
      },
      { path: '/usr/share/multi/table', text: 'shared by both\n' },
    ],
  });

  it('are locked, installed, listed and compared each on its own, night after night', async () => {
    await distro.publish(multi('x86_64', '1'), multi('i686', '1'));
    await distro.writeTreefile({ packages: packages('multi', 'multi.i686') });
    const { lockfile } = await resolve();
    expect(lockfile.packages['multi']?.evra).toBe('1.0-1.x86_64');
    expect(lockfile.packages['multi.i686']?.evra).toBe('1.0-1.i686');
    expect(lockedEntries(lockfile).filter(({ name }) => name === 'multi')).toHaveLength(2);
    const first = await composeMini(distro, place, { lockfile });
    const list = async (commit: string) => (await readCommit(place.repo, commit)).packages ?? [];
    expect((await list(first.commit)).filter(({ name }) => name === 'multi').map(({ arch }) => arch)).toEqual([
      'i686',
      'x86_64',
    ]);
    for (const path of ['/usr/lib/libmulti.so', '/usr/lib64/libmulti.so', '/usr/share/multi/table']) {
      expect(await ostree('ls', `--repo=${place.repo}`, first.commit, path)).toContain(path);
    }

    await distro.publish(multi('x86_64', '2'), multi('i686', '2'));
    const second = await composeMini(distro, place, { parent: first.commit });
    expect(formatDiff(packageDiff(await list(first.commit), await list(second.commit)))).toBe(
      'Upgraded:\n  multi 1.0-1 -> 1.0-2\n  multi 1.0-1 -> 1.0-2',
    );
    // What was locked is still to be had, and nothing else.
    const again = await resolve(lockfile);
    expect(again.lockfile.packages).toEqual(lockfile.packages);
    expect(lockedPackages(again.lockfile)).toEqual(await list(first.commit));
  });
});

describe('comps groups', () => {
  const comps = `<?xml version="1.0" encoding="UTF-8"?>
<comps>
  <group><id>tools</id><name>Small Tools</name><description>x</description><default>false</default><uservisible>true</uservisible>
    <packagelist>
      <packagereq type="mandatory">must</packagereq>
      <packagereq type="default">usual</packagereq>
      <packagereq type="optional">rare</packagereq>
      <packagereq type="conditional" requires="app">with-app</packagereq>
      <packagereq type="conditional" requires="nothing-of-this-name">never</packagereq>
    </packagelist>
  </group>
  <group><id>broken</id><name>Broken</name><description>x</description><default>false</default><uservisible>true</uservisible>
    <packagelist><packagereq type="mandatory">not-there</packagereq></packagelist>
  </group>
  <environment><id>whole</id><name>Whole</name><description>x</description><display_order>1</display_order>
    <grouplist><groupid>tools</groupid></grouplist><optionlist/></environment>
</comps>
`;
  const names = ['must', 'usual', 'rare', 'with-app', 'never'];

  beforeEach(async () => {
    const files = (name: string) => [{ path: `/usr/share/${name}`, text: name }];
    await distro.publish(
      ...names.map((name) => ({ name, version: '1', release: '1', requires: ['filesystem'], files: files(name) })),
    );
    const file = join(place.dir, 'comps.xml');
    writeFileSync(file, comps);
    await run('createrepo_c', ['--quiet', '--no-database', '--simple-md-filenames', '-g', file, distro.repoDir]);
  });

  const chosen = ({ lockfile }: { lockfile: Lockfile }) => names.filter((name) => name in lockfile.packages);

  it('bring their mandatory, default and met conditional packages, as dnf takes them', async () => {
    await distro.writeTreefile({ packages: packages('@tools') });
    const resolution = await resolve();
    expect(chosen(resolution)).toEqual(['must', 'usual', 'with-app']);
    const { commit } = await composeMini(distro, place, { lockfile: resolution.lockfile });
    expect(await ostree('ls', `--repo=${place.repo}`, commit, '/usr/share/usual')).toContain('usual');
    await distro.writeTreefile({ packages: packages("'@Small Tools'"), 'exclude-packages': ['usual'] });
    expect(chosen(await resolve())).toEqual(['must', 'with-app']);
    await distro.writeTreefile({ packages: packages('@^whole') });
    expect(chosen(await resolve())).toEqual(['must', 'usual', 'with-app']);
  });

  it('that are not there, or lack what they must have, are refused with their place', async () => {
    await distro.writeTreefile({ packages: packages('@nope', '@broken') });
    await expect(resolve()).rejects.toMatchObject({
      code: 'package-missing',
      message: expect.stringMatching(/@nope \(.*mini\.yaml:\d+\).*not-there \(of @broken\)|not-there.*@nope/s),
    });
  });
});

describe('metadata of repositories', () => {
  const updateinfo = `<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="x" status="final" type="security" version="1"><id>MINI-2026-1</id><title>app</title><severity>Important</severity>
    <issued date="2026-01-01"/><description>x</description>
    <references>
      <reference href="https://bugs.example.org/2" id="2" type="bugzilla" title="CVE-2026-0002 and CVE-2026-0001"/>
      <reference href="https://bugs.example.org/1" id="1" type="bugzilla" title="CVE-2026-0001 app: hole"/>
      <reference href="https://bugs.example.org/3" id="3" type="bugzilla" title="CVE-2026-0001 again"/>
      <reference href="https://example.org/cve" id="CVE-2026-0001" type="cve" title="CVE-2026-0001"/>
    </references>
    <pkglist><collection><package name="app" version="2.0" release="1" epoch="1" arch="noarch"><filename>app-2.0-1.noarch.rpm</filename></package></collection></pkglist>
  </update>
  <update from="x" status="final" type="bugfix" version="1"><id>MINI-2026-2</id><title>svc</title><issued date="2026-01-01"/><description>x</description>
    <pkglist><collection><package name="svc" version="1.0" release="1" epoch="0" arch="noarch"><filename>svc-1.0-1.noarch.rpm</filename></package></collection></pkglist>
  </update>
  <update from="x" status="final" type="security" version="1"><id>MINI-2026-3</id><title>older app</title><issued date="2026-01-01"/><description>x</description>
    <pkglist><collection><package name="app" version="1.9" release="1" epoch="1" arch="noarch"><filename>app-1.9-1.noarch.rpm</filename></package></collection></pkglist>
  </update>
</updates>
`;
  const advisories =
    "[('MINI-2026-1', 1, 3, ['app-1:2.0-1.noarch'], {'cve_references': <[('https://bugs.example.org/1', 'CVE-2026-0001 app: hole'), ('https://bugs.example.org/2', 'CVE-2026-0002 and CVE-2026-0001')]>})]";
  const inline = (commit: string, key: string) =>
    ostree('show', `--repo=${place.repo}`, `--print-metadata-key=${key}`, commit);
  const detached = (commit: string, key: string) =>
    ostree('show', `--repo=${place.repo}`, `--print-detached-metadata-key=${key}`, commit);
  /** ostree turns the bytes of numbers around when it shows them, as it should for what is big-endian. */
  const plain = (text: string) =>
    text
      .trim()
      .replace(/uint32 /g, '')
      .replace(/@\S+ /g, '');

  beforeEach(async () => {
    writeFileSync(join(place.dir, 'updateinfo.xml'), updateinfo);
    await run('modifyrepo_c', [
      '--simple-md-filenames',
      join(place.dir, 'updateinfo.xml'),
      join(distro.repoDir, 'repodata'),
    ]);
  });

  it('advisories for the very packages of the tree are in the commit, unless the treefile says otherwise', async () => {
    const first = await composeMini(distro, place);
    expect(plain(await inline(first.commit, 'rpmostree.advisories'))).toBe(advisories);
    await distro.writeTreefile({ 'advisories-metadata': 'disabled' });
    const second = await composeMini(distro, place);
    await expect(inline(second.commit, 'rpmostree.advisories')).rejects.toThrow();
  });

  it('detached, they are beside the commit, and a stale mirror is still found out', async () => {
    await distro.writeTreefile({ 'repo-metadata': 'detached', 'advisories-metadata': 'detached' });
    const { commit } = await composeMini(distro, place);
    await expect(inline(commit, 'rpmostree.rpmmd-repos')).rejects.toThrow();
    await expect(inline(commit, 'rpmostree.advisories')).rejects.toThrow();
    expect(plain(await detached(commit, 'rpmostree.advisories'))).toBe(advisories);
    expect(await detached(commit, 'rpmostree.rpmmd-repos')).toContain("'id': <'mini'>");
    const parent = await readCommit(place.repo, commit);
    const generated = parent.repoTimestamps?.['mini'] ?? 0;
    expect(generated).toBeGreaterThan(1_700_000_000);
    const state = (time: number) => ({ id: 'mini', generated: time, revision: '1', url: 'file:///x', sha256: '0' });
    refuseStale(state(generated), parent, place.task);
    expect(() => refuseStale(state(generated - 1), parent, place.task)).toThrow(/lags behind/);
  });
});

describe('what a treefile takes away', () => {
  const shared = { path: '/etc/shared', text: 'of both\n' };
  const one = (name: string, ...files: MiniRecipe['files']): MiniRecipe => ({
    name,
    version: '1',
    release: '1',
    files,
  });

  it("goes by rpm-ostree's rules; its scripts find their interpreter, and the rpm database stays", async () => {
    await distro.publish(
      one('first', shared, { path: '/usr/share/first/deep/file', text: '1\n' }, { path: '/etc/first', text: '1\n' }),
      one('second', shared, { path: '/etc/second', text: '2\n' }),
    );
    const treefile = {
      packages: packages('first', 'second'),
      'remove-from-packages': [
        ['first', '/etc/shared', '^/usr/share/first$', '^/etc/first'],
        ['second', '^/usr/etc/second$'],
        ['not-there', '.'],
      ],
    };
    await distro.writeTreefile(treefile);
    const { commit } = await composeMini(distro, place);
    const paths = (await ostree('ls', `--repo=${place.repo}`, '-R', '--nul-filenames-only', commit)).split('\0');
    expect(paths).toContain('/usr/etc/shared');
    for (const gone of ['/usr/share/first/deep/file', '/usr/etc/first', '/usr/etc/second'])
      expect(paths).not.toContain(gone);
    expect(place.task.lines.join('\n')).toContain('remove-from-packages: not-there is not installed');

    const refused = async (postprocess: string) => {
      await distro.writeTreefile({ ...treefile, postprocess: [postprocess] });
      return composeMini(distro, place).then(
        () => 'composed',
        (error: Error) => error.message,
      );
    };
    expect(await refused('rm -r /usr/share/rpm')).toMatch(
      /rpm database of the tree differs.*first-1-1.noarch is locked/s,
    );
    expect(await refused('#!/usr/bin/python9\n')).toBe(
      "The treefile's script postprocess-1 cannot run: the tree has no /usr/bin/python9.",
    );
    expect(await refused('#!/bin/sh\r\ntrue\r\n')).toContain('ends with a carriage return');
  });
});
