import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readBuildAdvisories } from '../../src/build/build-advisories.ts';
import { run } from '../../src/programs/exec.ts';
import type { MiniFile } from '../support/mini-rpm.ts';
import { json, makeReleaseWorld, night, recordOf } from '../support/release-world.ts';
import type { World } from '../support/world.ts';

let world: World;
let first: string;
let second: string;
let released: string;
let candidate: string;

beforeAll(async () => {
  world = await makeReleaseWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), {
    release: ['approvals: 2'],
  });
  const told = ['* Thu Jan 01 2026 Jo <jo@example.org> - 1:2.0-2', '- older'];
  await world.distro.bump('app', { changelog: told });
  first = await night(world);
  released = (await json<{ build: string }>(world, 'promote', first)).build;
  await markReleased(released);
  await world.distro.bump('app', {
    changelog: ['* Fri Jan 02 2026 Jo <jo@example.org> - 1:2.0-3', '- close the hole', '- and more', '', ...told],
    files: [...world.distro.recipe('app').files, ...RISKS],
  });
  await updateinfo();
  second = await night(world);
  candidate = (await json<{ build: string }>(world, 'promote', second, '--reason', 'due')).build;
});
afterAll(async () => {
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

/** What people look at twice. */
const RISKS: readonly MiniFile[] = [
  { path: '/usr/bin/risky', text: 'x', mode: '4755' },
  { path: '/usr/bin/able', text: 'x', mode: '0755', caps: 'cap_net_admin,cap_net_raw=ep' },
  { path: '/usr/lib/systemd/system/app.socket', text: '[Socket]\nListenStream=/run/<app>\nListenDatagram = 99\n' },
  { path: '/usr/lib/systemd/system/sockets.target.wants/app.socket', link: '../app.socket' },
  { path: '/usr/lib/sysusers.d/app.conf', text: '# theirs\nu app - "App" /var/lib/app\ng appers 300\n' },
];

/** As if it had been released: what a release needs beside is not looked at here. */
async function markReleased(id: string): Promise<void> {
  const path = join(world.dir, 'work/builds', id, 'x86_64/meta.json');
  const meta = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...meta, 'atomic-nightly.release': { at: '2026-01-01T00:00:00Z' } }));
}

/** Adds advisories for the newest release of `app` to the repository, as a vendor's tool does. */
async function updateinfo(): Promise<void> {
  const file = join(world.dir, 'updateinfo.xml');
  const update = (id: string, type: string, release: string) =>
    `<update type="${type}"><id>${id}</id><title>app &lt;b&gt;fix</title><severity>Important</severity><references><reference type="cve" id="CVE-2026-1234"/></references><pkglist><collection><package name="app" epoch="1" version="2.0" release="${release}" arch="noarch"/></collection></pkglist></update>`;
  await writeFile(
    file,
    `<updates>${update('MINI-1', 'security', '3')}${update('MINI-2', 'bugfix', '3')}${update('MINI-3', 'security', '4')}</updates>`,
  );
  await run('modifyrepo_c', ['--mdtype=updateinfo', file, join(world.distro.repoDir, 'repodata')]);
}

test('the advisories that an update brings are in the record, published and signed for like the others', async () => {
  const folder = join(world.published, 'builds', second, 'x86_64');
  const path = join(folder, 'advisories.json');
  const record = readBuildAdvisories(await readFile(path), path);
  expect(record).toMatchObject({ version: 1, repositories: ['mini'] });
  expect(record.advisories.map(({ id }) => id)).toEqual(['MINI-1', 'MINI-2']);
  expect((await recordOf(world, second)).advisories).toEqual(record.advisories);
  expect((await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: folder })).stdout).toContain('advisories.json: OK');
  // The first had nothing before it: it fixes nothing, and says nothing.
  expect((await recordOf(world, first)).advisories).toBeUndefined();
  const page = await readFile(join(folder, 'index.html'), 'utf8');
  expect(page).toContain('security: 1 important; bugfix: 1.');
  expect(page).toContain('app &lt;b&gt;fix');
  expect(page).toContain('href="https://www.cve.org/CVERecord?id&#x3D;CVE-2026-1234"');
  expect((await world.nightly('show', second, '--no-updates')).stdout).toContain(
    'Advisories: security: 1 important; bugfix: 1\n  MINI-1 (security): Important, app <b>fix, CVE-2026-1234\n    app 1:2.0-3.noarch\n',
  );
  expect((await world.nightly('show', first, '--no-updates')).stdout).not.toContain('Advisories');
});

test('the changelog of an upgrade is what is new in it, from the RPM at hand or the metadata of the repository', async () => {
  const text =
    'app 1:2.0-2.noarch -> 1:2.0-3.noarch\n  * Fri Jan 02 2026 Jo <jo@example.org> - 1:2.0-3\n  - close the hole\n  - and more\n';
  expect((await world.nightly('show', second, '--changelog')).stdout).toBe(text);
  const away = join(world.dir, 'cache-away');
  await rename(join(world.dir, 'work/cache'), away);
  expect((await world.nightly('show', second, '--changelog', '--since', first)).stdout).toBe(text);
  await rename(away, join(world.dir, 'work/cache'));
  const found = JSON.parse((await world.nightly('show', second, '--changelog', '--json')).stdout);
  expect(found).toMatchObject({
    build: second,
    packages: [{ name: 'app', known: 'since', entries: [{ time: 1_767_355_200 }] }],
  });
  expect((await world.nightly('show', first, '--changelog')).stdout).toContain('no package that is newer');
  expect(await world.nightly('show', first, '--since', second)).toMatchObject({ code: 2 });
});

test('a review has all that is decided by: changes since the last release, privileges, units, users, and what comes next', async () => {
  expect((await world.nightly('approve', candidate, '--by', 'Jo <b>')).code).toBe(0);
  const { stdout } = await world.nightly('review', candidate);
  const parts = [
    `Build:     ${candidate} (complete), release, x86_64\nPromotes:  ${second}\nReason:    due\n`,
    `Approved:  1 of 2: Jo <b>\nSince ${released}:\n`,
    'Advisories: security: 1 important; bugfix: 1\n',
    'Set-user-ID and set-group-ID files:\n  /usr/bin/risky: new -> 4755\n',
    'Files with capabilities:\n  /usr/bin/able: new -> cap_net_admin,cap_net_raw=ep\n',
    'Listening units:\n  app.socket: new -> stream /run/<app>, datagram 99\n',
    'Enabled units:\n  sockets.target.wants/app.socket: new -> ../app.socket\n',
    'Changelogs:\napp 1:2.0-2.noarch -> 1:2.0-3.noarch\n  * Fri Jan 02 2026 Jo <jo@example.org> - 1:2.0-3\n',
    `Next:\n  atomic-nightly approve ${candidate} --by NAME   # Approve it (1 of 2)\n`,
  ];
  for (const part of parts) expect(stdout).toContain(part);
  expect(stdout).toMatch(/^Users:\n {2}app: new -> /m);
  expect(stdout).toMatch(/^Groups:\n(.*\n)* {2}appers: new -> 300$/m);
  const told = await json<{ changes: { since: string; facts: { setuid: unknown[] } } }>(world, 'review', second);
  expect(told.changes).toMatchObject({ since: released, facts: { setuid: [{ name: '/usr/bin/risky', to: '4755' }] } });
  expect((await world.nightly('review', released)).stdout).toContain('Nothing was released before it.');
});

test('the review of a candidate is among the pages, and can be sent as one file', async () => {
  const folder = join(world.published, 'staging/builds', candidate, 'x86_64');
  expect(await readFile(join(folder, 'index.html'), 'utf8')).toContain('href="../../../builds/');
  expect(await readFile(join(folder, 'index.html'), 'utf8')).toContain('/review.html">Review</a>');
  const page = await readFile(join(folder, 'review.html'), 'utf8');
  for (const part of [
    '<code>4755</code>',
    'app &lt;b&gt;fix',
    '/run/&lt;app&gt;',
    'close the hole',
    'stylesheet',
    '<code>atomic-nightly approve',
  ])
    expect(page).toContain(part);
  const file = join(world.dir, 'review.html');
  expect((await world.nightly('review', candidate, '--html', file)).code).toBe(0);
  const alone = await readFile(file, 'utf8');
  expect(alone).toContain('Jo &lt;b&gt;');
  expect(alone).not.toMatch(/stylesheet|<a href="(?!https:\/\/www\.cve\.org)(?!#)/);
  // A night has none, and nothing finds fault with the file that records do not name.
  expect(existsSync(join(world.published, 'builds', second, 'x86_64/review.html'))).toBe(false);
  const verify = await world.nightly('publish', '--reconcile', 'staging', '--dry-run', '--json');
  expect(verify.stdout).not.toContain('review.html');
});
