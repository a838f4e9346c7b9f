import { expect, test } from 'vitest';
import { advisoriesSince } from '../../src/build/advisories-since.ts';
import {
  advisoriesWithin,
  byUrgency,
  fixedAdvisories,
  summarizeAdvisories,
  summarizeSecurity,
} from '../../src/rpm/fixed-advisories.ts';
import type { DiffPackage, PackageChange } from '../../src/rpm/pkgdiff.ts';
import { parseUpdateinfo } from '../../src/rpm/updateinfo.ts';
import { fullMeta } from '../support/build-meta.ts';

const upgraded = (name: string, from: string, to: string, arch = 'x86_64'): PackageChange => {
  const of = (evr: string): DiffPackage => [name, evr, arch];
  return [name, 2, { PreviousPackage: of(from), NewPackage: of(to) }];
};

const advisory = (id: string, name: string, version: string, more: { type?: string; severity?: string } = {}) => {
  const { type = 'security', severity = 'Important' } = more;
  return `<update type="${type}"><id>${id}</id><title>${id}\u202e fix</title><severity>${severity}</severity><references><reference type="cve" id="CVE-2026-1000"/><reference type="bugzilla" id="7" title="CVE-2026-2000, CVE-2026-2001 bash: bad"/><reference type="bugzilla" id="8" title="after CVE-2020-1111"/></references><pkglist><collection><package name="${name}" version="${version}" release="1" epoch="0" arch="x86_64"/><package name="${name}" version="${version}" release="1" epoch="0" arch="i686"/></collection></pkglist></update>`;
};
const parsed = (...updates: string[]) => parseUpdateinfo(`<updates>${updates.join('')}</updates>`);

test('an advisory is brought when its version lies above the old and not above the new package', () => {
  const all = parsed(
    ...[advisory('OLD', 'bash', '5.0'), advisory('SKIPPED', 'bash', '5.1'), advisory('NEW', 'bash', '5.2')],
    ...[advisory('LATER', 'bash', '5.3'), advisory('OTHER', 'vim', '9')],
  );
  const found = fixedAdvisories([upgraded('bash', '5.0-1', '5.2-1')], all);
  expect(found.map(({ id }) => id)).toEqual(['NEW', 'SKIPPED']);
  expect(found[1]).toEqual({
    ...{ id: 'SKIPPED', type: 'security', severity: 'Important', title: 'SKIPPED  fix' },
    cves: ['CVE-2026-1000', 'CVE-2026-2000', 'CVE-2026-2001'],
    packages: [{ name: 'bash', from: '5.0-1.x86_64', to: '5.2-1.x86_64', fixed: '5.1-1.x86_64' }],
  });
  // New to the tree, gone back, of another architecture: nothing was fixed there.
  const added: PackageChange = ['bash', 0, { NewPackage: ['bash', '5.2-1', 'x86_64'] }];
  expect(fixedAdvisories([added], all)).toEqual([]);
  expect(fixedAdvisories([['bash', 3, upgraded('bash', '5.2-1', '5.0-1')[2]]], all)).toEqual([]);
  expect(fixedAdvisories([upgraded('bash', '5.0-1', '5.2-1', 'aarch64')], all)).toEqual([]);
});

test('one advisory of several repositories is told once, and the summary has the most urgent first', () => {
  const all = parsed(
    ...[advisory('B', 'bash', '2', { severity: 'None' }), advisory('C', 'bash', '2', { type: 'bugfix' })],
    ...[advisory('A', 'bash', '2', { severity: 'Critical' }), advisory('A', 'vim', '2', { severity: 'Critical' })],
  );
  const found = fixedAdvisories([upgraded('bash', '1-1', '2-1'), upgraded('vim', '1-1', '2-1')], all);
  expect(byUrgency(found).map(({ id, packages }) => [id, packages.length])).toEqual([
    ['A', 2],
    ['B', 1],
    ['C', 1],
  ]);
  expect(summarizeAdvisories(found)).toBe('security: 1 critical, 1 unrated; bugfix: 1');
  expect(summarizeSecurity(found)).toBe('security: 1 critical, 1 unrated');
  expect(summarizeAdvisories([])).toBeUndefined();
});

test('what a release brings is collected over the builds since the last one', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(64));
  const found = (id: string, from: string, to: string) =>
    fixedAdvisories([upgraded('bash', from, to)], parsed(advisory(id, 'bash', to.slice(0, 1))));
  const meta = (commit: string | undefined, parent: string | undefined, advisories: ReturnType<typeof found>) => ({
    ...fullMeta(),
    ...{ ostreeCommit: commit ?? '', parent, advisories },
  });
  const last = meta(a, undefined, found('ZERO', '0-1', '1-1'));
  const between = meta(b, a, found('ONE', '1-1', '2-1'));
  const build = meta(c, b, found('TWO', '2-1', '3-1'));
  const since = (diff: readonly PackageChange[], builds: (typeof last)[]) =>
    advisoriesSince({ build, since: last, diff }, builds);
  const whole = since([upgraded('bash', '1-1', '3-1')], [build, between, last]);
  expect(whole).toMatchObject({ known: true, unread: fullMeta().advisoriesUnread ?? [] });
  expect(whole.gap).toBeUndefined();
  expect(whole.advisories.map(({ id, packages }) => [id, packages[0]?.from])).toEqual([
    ['ONE', '1-1.x86_64'],
    ['TWO', '1-1.x86_64'],
  ]);
  // Where the record of a build between is gone, that is said.
  const partly = since([upgraded('bash', '1-1', '3-1')], [build, last]);
  expect(partly).toMatchObject({ gap: b, advisories: [{ id: 'TWO' }] });
  expect(advisoriesWithin([upgraded('bash', '1-1', '2-1')], whole.advisories).map(({ id }) => id)).toEqual(['ONE']);
});
