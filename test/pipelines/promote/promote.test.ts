import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import {
  json,
  makeReleaseWorld,
  metadataOf,
  night,
  pulledRelease,
  RELEASE_REF,
  recordOf,
} from '../../support/release-world.ts';
import type { World } from '../../support/world.ts';

let world: World;
let first: string;
let second: string;
/** Promotions in the order they are made. */
const attempts: string[] = [];

beforeAll(async () => {
  world = await makeReleaseWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), {
    release: [
      'approvals: 2',
      'cycle: {start: 2020-01-07, upstream: {id: "U{count}", stream: nightly, max-missing: 0}}',
    ],
  });
  first = await night(world);
  await world.distro.bump('app');
  second = await night(world);
  // What came since is in no promotion unless somebody asks for it.
  await world.distro.bump('suid');
});
afterAll(async () => {
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

const promotedOnNightly = async () =>
  JSON.parse(await readFile(join(world.published, 'builds/promoted.json'), 'utf8')).commits;

async function promote(...args: readonly string[]): Promise<{ build: string; commit: string; stderr: string }> {
  const result = await world.nightly('promote', ...args, '--json');
  expect(result.stderr).not.toContain('✗');
  expect(result.code).toBe(0);
  const { build, commit } = JSON.parse(result.stdout);
  attempts.push(build);
  return { build, commit, stderr: result.stderr };
}

test('a dry run checks the packages and builds nothing', async () => {
  const dry = await world.nightly('promote', first, '--dry-run');
  expect(dry.stdout).toMatch(/A rebuild of \d+_01 at mini\/x86_64\/release on top of nothing/);
  expect(dry.stdout).toMatch(/attempt 1, for upstream U\d+, 11 packages with good signatures/);
  expect(dry.code).toBe(0);
  expect((await json<unknown[]>(world, 'list')).length).toBe(2);
});

test('what is too far from upstream is refused before it is composed', async () => {
  const refused = await world.nightly('promote', first, '--exclude', 'lib', '--dry-run');
  expect(refused.stderr).toContain('1 package is missing, and at most 0 may be:\n  lib-1.0-1.noarch');
  expect(refused.code).toBe(12);
});

test('I10: a promotion is the tree of its night, in a commit of its own ref', async () => {
  const { build, commit, stderr } = await promote(first, '--reason', 'cycle 1');
  expect(stderr).toContain('byte for byte');
  const meta = await recordOf(world, build);
  const before = await recordOf(world, first);
  expect(meta.ostreeContentChecksum).toBe(before.ostreeContentChecksum);
  expect(meta.promotion).toMatchObject({
    ...{ of: first, commit: before.ostreeCommit, stream: 'nightly', attempt: 1, reason: 'cycle 1' },
    ...{ overrides: [], excludes: [], supersedes: [], upstream: expect.stringMatching(/^U\d+$/) },
  });
  const distance = await json<{ upstream: unknown }>(world, 'review', build);
  expect(distance.upstream).toMatchObject({
    older: [{ name: 'app', ours: '1:2.0-1.noarch', upstream: '1:2.0-2.noarch' }],
    ...{ missing: [], source: { kind: 'stream', build: second }, sources: [{ name: 'app', older: ['app'] }] },
    ...{ units: { missing: [], extra: [] }, users: { missing: [], extra: [] }, unknown: [] },
  });
  expect(await pulledRelease(world, join(world.dir, 'client-1'))).toBe(commit);
  expect(await metadataOf(world, commit, 'version')).toBe(`'${build}'`);
  expect(await metadataOf(world, commit, 'ostree.ref-binding')).toBe(`['${RELEASE_REF}']`);
  expect(await metadataOf(world, commit, 'atomic-nightly.promotion-of')).toBe(`'${before.ostreeCommit}'`);
  expect(await promotedOnNightly()).toEqual({ [String(before.ostreeCommit)]: { build: first, release: build } });
  const folder = join(world.published, 'staging/builds', build, 'x86_64');
  const sums = await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: folder });
  expect(sums.stdout).toContain('lockfile.json: OK');
});

test('rework: the same night again, its tree kept, takes the place of the first attempt', async () => {
  const { build, commit } = await promote(first, '--recommit', '--upstream', 'U-special');
  const [earlier = ''] = attempts;
  const meta = await recordOf(world, build);
  const [old, before] = [await recordOf(world, earlier), await recordOf(world, first)];
  expect(meta.promotion).toMatchObject({
    ...{ attempt: 2, recommit: true, upstream: 'U-special', supersedes: [earlier] },
  });
  expect(old.supersededBy).toBe(build);
  const published = join(world.published, 'staging/builds', earlier, 'x86_64/meta.json');
  expect(JSON.parse(await readFile(published, 'utf8'))['atomic-nightly.superseded-by']).toBe(build);
  expect(meta.ostreeContentChecksum).toBe(before.ostreeContentChecksum);
  expect(meta.parent).toBe(old.ostreeCommit);
  const log = await run('ostree', [`--repo=${join(world.published, 'staging/repo')}`, 'log', commit]);
  expect(log.stdout.match(/^commit /gm)).toHaveLength(2);
  const refused = await world.nightly('approve', earlier, '--by', 'Jane');
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(`is superseded by ${build}`) });
});

test('an override takes one newer package, and everything else stays', async () => {
  const { build } = await promote(first, '--override', 'app-1:2.0-2.noarch', '--reason', 'urgent');
  const meta = await recordOf(world, build);
  const changes = await json<{ pkgdiff: unknown; files: unknown; kernel: unknown }>(world, 'diff', first, build);
  expect(changes.pkgdiff).toEqual([
    ['app', 2, { PreviousPackage: ['app', '1:2.0-1', 'noarch'], NewPackage: ['app', '1:2.0-2', 'noarch'] }],
  ]);
  expect(changes.files).toMatchObject({ added: 1, removed: 0 });
  expect(changes.kernel).toEqual({ from: '6.0.0-1', to: '6.0.0-1' });
  expect(meta.promotion).toMatchObject({ attempt: 3, overrides: ['app-1:2.0-2.noarch'] });
  expect(meta.promotion).not.toHaveProperty('differencesAccepted');
});

test('another night follows, and nights go on as before', async () => {
  const { build } = await promote(second);
  expect((await recordOf(world, build)).promotion).toMatchObject({ attempt: 1, supersedes: [] });
  expect(Object.keys(await promotedOnNightly())).toHaveLength(2);
  const third = await night(world);
  expect((await recordOf(world, third)).pkgdiff).toMatchObject([['suid', 2, {}]]);
  // The packages of the first promotion are not at hand any more, and nobody needs them.
  const images = await world.nightly('images', attempts[0] ?? '');
  expect(images.stderr).not.toMatch(/… (packages|compose)/);
  expect(images.code).toBe(0);
  const verify = await world.nightly('verify');
  expect(verify.stdout).toMatch(/checks passed/);
  expect(verify.code).toBe(0);
});

test('list and show tell what a night was promoted to, and what is newer since', async () => {
  const list = await world.nightly('list');
  const row = (id: string) => list.stdout.split('\n').find((line) => line.startsWith(id));
  expect(row(second)).toMatch(/promoted to \d+_\d+ \(release, attempt 1, complete\)/);
  expect(row(attempts[0] ?? '')).toMatch(/of \d+_01 {2}superseded by/);
  const show = await world.nightly('show', second);
  expect(show.stdout).toMatch(/Promoted: +\d+_\d+ \(release, attempt 1, complete\)/);
  expect(show.stdout).toContain(
    'no updateinfo there, so any may be a security update):\n  suid 1.0-1.noarch -> 1.0-2.noarch',
  );
  expect((await world.nightly('show', attempts[2] ?? '')).stdout).toMatch(/Overrides: +app-1:2\.0-2\.noarch/);

  // The same with updateinfo, which says what is about security.
  const file = join(world.dir, 'updateinfo.xml');
  const entry = (id: string, type: string, name: string, release: string) =>
    `<update type="${type}"><id>${id}</id><title>fix</title><severity>Important</severity><references><reference type="cve" id="CVE-1"/></references><pkglist><collection><package name="${name}" version="1.0" release="${release}" epoch="0" arch="noarch"/></collection></pkglist></update>`;
  await writeFile(
    file,
    `<updates>${entry('MINI-1', 'security', 'suid', '2')}${entry('MINI-2', 'bugfix', 'lib', '9')}${entry('MINI-3', 'security', 'svc', '1')}</updates>`,
  );
  await run('modifyrepo_c', ['--mdtype=updateinfo', file, join(world.distro.repoDir, 'repodata')]);
  const updates = (await json<Record<string, { advisories: { id: string }[] }>>(world, 'show', second))[
    'atomic-nightly.updates-since'
  ];
  expect(updates).toMatchObject({
    advisories: [
      {
        ...{ id: 'MINI-1', severity: 'Important', cves: ['CVE-1'] },
        packages: [{ name: 'suid', from: '1.0-1.noarch', to: '1.0-2.noarch' }],
      },
    ],
    ...{ withUpdateinfo: ['mini'], newer: [] },
  });
  expect((await world.nightly('show', second)).stdout).toContain(
    'by updateinfo of mini:\n  MINI-1: Important, fix, CVE-1',
  );
});

test('show says when the repositories cannot be asked, and can leave it', async () => {
  const gone = join(world.dir, 'distro/repo-away');
  await run('mv', [world.distro.repoDir, gone]);
  expect((await world.nightly('show', second)).stdout).toMatch(/Security updates since: not known: Repository "mini"/);
  expect((await world.nightly('show', second, '--no-updates')).stdout).not.toContain('Security updates');
  await run('mv', [gone, world.distro.repoDir]);
});

test('approvals are kept with name and date, once each', async () => {
  const id = attempts.at(-1) ?? '';
  const approve = (...args: string[]) => world.nightly('approve', id, ...args);
  const approved = await approve('--by', 'Jane', '--note', 'booted');
  expect(approved.stdout).toContain('approvals: 1; the stream asks for 2');
  expect(approved.stderr).toContain('was never tested');
  expect((await approve('--by', 'Jane')).stdout).toMatch(/Jane approved .* already[\s\S]*approvals: 1;/);
  expect((await approve('--by', 'Joe')).stdout).toContain('approvals: 2;');
  const shown = await json<Record<string, unknown>>(world, 'show', id);
  expect(shown['atomic-nightly.approvals']).toMatchObject([
    { by: 'Jane', note: 'booted', at: expect.stringMatching(/^\d{4}-/) },
    { by: 'Joe' },
  ]);
  const ofNight = await world.nightly('approve', second, '--by', 'Jane');
  expect(ofNight).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a promotion') });
  expect((await approve('--by', ' ')).code).toBe(2);

  const path = join(world.dir, 'work/builds', id, 'x86_64/meta.json');
  const text = await readFile(path, 'utf8');
  const failures = [{ step: 'smoke-test-iso', code: 'gate-failed', message: 'it hangs' }];
  const failed = { 'atomic-nightly.state': 'gate-failed', 'atomic-nightly.failures': failures };
  await writeFile(path, JSON.stringify({ ...JSON.parse(text), ...failed }));
  expect(await approve('--by', 'Eve')).toMatchObject({
    code: 12,
    stderr: expect.stringContaining('did not pass its gate:\n  smoke-test-iso: it hangs'),
  });
  await writeFile(path, text);
});

test('diff compares with the last release, and cycle names it', async () => {
  const none = await world.nightly('diff', second, '--last-release');
  expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('Nothing was released yet') });
  expect((await world.nightly('diff', second)).code).toBe(2);
  const [released = ''] = attempts;
  const path = join(world.dir, 'work/builds', released, 'x86_64/meta.json');
  const meta = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...meta, 'atomic-nightly.release': { at: '2026-11-21T00:00:00Z' } }));
  const changes = await world.nightly('diff', second, '--last-release');
  expect(changes.stdout).toMatch(
    /app 1:2\.0-1 -> 1:2\.0-2\nKernel: 6\.0\.0-1, the same\nFiles: 1 added, 0 removed, \d+ changed\nUpdate: \d+ objects/,
  );
  expect(changes.code).toBe(0);
  // From now on nothing may go back behind it, and its record does not change.
  expect(await world.nightly('approve', released, '--by', 'Jane')).toMatchObject({ code: 2 });

  const cycle = await json<{ number: number; promoted: unknown[]; upstream: { id: string } }>(world, 'cycle');
  expect(cycle.promoted).toHaveLength(4);
  expect(cycle.upstream.id).toBe(`U${(cycle.number - 1) * 2 + 1}`);
  expect((await world.nightly('cycle')).stdout).toMatch(/Stream release, fed by nightly: cycle \d+, week [1-4] of 4/);
});
