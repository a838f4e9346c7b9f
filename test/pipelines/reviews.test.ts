import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readBuildAdvisories } from '../../src/build/build-advisories.ts';
import { run } from '../../src/programs/exec.ts';
import { makeReleaseWorld, night, recordOf } from '../support/release-world.ts';
import type { World } from '../support/world.ts';

let world: World;
let first: string;
let second: string;

beforeAll(async () => {
  world = await makeReleaseWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')));
  const told = ['* Thu Jan 01 2026 Jo <jo@example.org> - 1:2.0-2', '- older'];
  await world.distro.bump('app', { changelog: told });
  first = await night(world);
  await world.distro.bump('app', {
    changelog: ['* Fri Jan 02 2026 Jo <jo@example.org> - 1:2.0-3', '- close the hole', '- and more', '', ...told],
  });
  await updateinfo();
  second = await night(world);
});
afterAll(async () => {
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

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
