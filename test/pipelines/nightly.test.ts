import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { type CliResult, makeWorld, pulled, records, type World } from '../support/world.ts';

let world: World;
let first: CliResult;
beforeAll(async () => {
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), { images: ['generic-cloud'] });
  first = await world.nightly('nightly');
});
afterAll(async () => {
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

test('the first night composes, pushes, verifies, makes the image and says what to look at', async () => {
  expect(first.stderr).not.toContain('✗');
  expect(first.code).toBe(0);
  const [meta] = await records(world);
  expect(first.stdout).toContain(`Build ${meta?.['buildid']} is complete: commit ${meta?.['ostree-commit']}`);
  expect(await pulled(world, join(world.dir, 'client-1'))).toBe(meta?.['ostree-commit']);
});

test('checksums of the published records and images verify', async () => {
  const [meta] = await records(world);
  const folder = join(world.published, 'builds', String(meta?.['buildid']), 'x86_64');
  const { stdout } = await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: folder });
  expect(stdout).toContain('GenericCloud.qcow2: OK');
  expect(stdout).toContain('lockfile.json: OK');
  const index = JSON.parse(await readFile(join(world.published, 'builds/builds.json'), 'utf8'));
  expect(index.builds).toEqual([{ id: meta?.['buildid'], arches: ['x86_64'] }]);
});

test('I7: a night without changes is told by exit code 10, and its record says unchanged', async () => {
  const unchanged = await world.nightly('nightly');
  expect(unchanged.code).toBe(10);
  expect(unchanged.stdout).toContain('Unchanged: treefile and repository metadata are those of the last build');
  expect(unchanged.stderr).not.toContain('✗');
  expect((await records(world)).at(-1)?.['atomic-nightly.state']).toBe('unchanged');
});

test('metadata that changed without changing what the treefile needs is unchanged after a depsolve', async () => {
  await world.distro.publish({ ...world.distro.recipe('suid'), name: 'unrelated' });
  const unchanged = await world.nightly('nightly');
  expect(unchanged).toMatchObject({ code: 10, stdout: expect.stringContaining('same packages and treefile') });
  const again = await world.nightly('nightly');
  expect(again).toMatchObject({ code: 10, stdout: expect.stringContaining('repository metadata are those') });
});

test('an updated package makes a second night that follows the first and lists exactly it', async () => {
  await world.distro.bump('app');
  const dryRun = await world.nightly('nightly', '--dry-run');
  expect(dryRun).toMatchObject({ code: 0, stdout: expect.stringContaining('app 1:2.0-1 -> 1:2.0-2') });

  const second = await world.nightly('nightly', '--json');
  expect(second.code).toBe(0);
  const { build, commit } = JSON.parse(second.stdout);
  const show = await world.nightly('show', build, '--json');
  const meta = JSON.parse(show.stdout);
  expect(meta.pkgdiff).toEqual([
    ['app', 2, { PreviousPackage: ['app', '1:2.0-1', 'noarch'], NewPackage: ['app', '1:2.0-2', 'noarch'] }],
  ]);
  const [oldest] = await records(world);
  expect(meta['atomic-nightly.parent']).toBe(oldest?.['ostree-commit']);
  expect(await pulled(world, join(world.dir, 'client-2'))).toBe(commit);
  const changes = await world.nightly('diff', String(oldest?.['buildid']), build);
  expect(changes.stdout).toMatch(
    /^Upgraded:\n {2}app 1:2\.0-1 -> 1:2\.0-2\nKernel: 6\.0\.0-1, the same\nFiles: 1 added, 0 removed, \d+ changed\n/,
  );
  expect(changes.stdout).toMatch(/\nImage generic-cloud: [\d.]+ MB -> [\d.]+ MB\n/);
});

test('list, show and log tell people what there is', async () => {
  const list = await world.nightly('list');
  expect(list.stdout).toMatch(/^\d{8}_\d\d +nightly +complete .*1 upgraded.*generic-cloud/m);
  const [oldest] = await records(world);
  const id = String(oldest?.['buildid']);
  expect((await world.nightly('log', id)).stdout).toMatch(/ done {4}compose \(/);
  expect((await world.nightly('log', id, 'compose')).stdout).toContain('dracut');
  expect(await world.nightly('log', id, 'nonsense')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Steps with a log: '),
  });
});

test('I3: a lost work folder does not give out published ids again, and the next night follows what is published', async () => {
  const before = await records(world);
  await rm(join(world.dir, 'work'), { recursive: true });
  await world.distro.bump('lib');
  const night = await world.nightly('nightly', '--json');
  expect(night.code).toBe(0);
  const { build, commit } = JSON.parse(night.stdout);
  expect(before.filter((meta) => meta['ostree-commit']).map((meta) => meta['buildid'])).not.toContain(build);
  const [meta] = await records(world);
  expect(meta?.['atomic-nightly.parent']).toBe(before.findLast((one) => one['ostree-commit'])?.['ostree-commit']);
  expect(await pulled(world, join(world.dir, 'client-3'))).toBe(commit);
});
