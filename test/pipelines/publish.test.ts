import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeWorld, records, type World } from '../support/world.ts';

let world: World;
let id: string;
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  world = await makeWorld(dir, { images: ['generic-cloud'], stream: ['deltas: [scratch]'] });
  const first = await world.nightly('nightly', '--json');
  id = JSON.parse(first.stdout).build;
});
afterAll(async () => {
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

test('a build is published with its records, logs and the plan of its images for programs', async () => {
  const there = await readdir(join(world.published, 'builds', id, 'x86_64'));
  expect(there.toSorted()).toEqual(
    [
      'SHA256SUMS',
      'diff.json',
      'images',
      'index.html',
      'journal.ndjson',
      'lockfile.json',
      'logs',
      'meta.json',
      'provenance.json',
      'signatures.json',
      'treefile.json',
      'treefile.tar.gz',
    ].sort(),
  );
  expect(await readdir(join(world.published, 'builds', id, 'x86_64/logs'))).toContain('compose.log');
  const metadata = JSON.parse(await readFile(join(world.published, 'streams/nightly.json'), 'utf8'));
  const { release, formats } = metadata.architectures.x86_64.artifacts['generic-cloud'];
  expect(release).toBe(id);
  const image = await fetch(formats.qcow2.disk.location, { method: 'HEAD' });
  expect(image.status).toBe(200);
});

test('publish --dry-run tells what a further target lacks; publish sends it there and nowhere else', async () => {
  const config = await readFile(world.config, 'utf8');
  const [second, url] = [join(world.published, 'second'), `${world.url}/second`];
  const target = `  mirror: {type: directory, path: ${second}, url: '${url}'}\n`;
  await writeFile(
    world.config,
    config.replace('streams:', `${target}streams:`).replace('[buildlogs]', '[buildlogs, mirror]'),
  );

  const plan = JSON.parse((await world.nightly('publish', '--dry-run', '--json')).stdout);
  const commit = (await records(world))[0]?.['ostree-commit'];
  expect(plan.targets[0]).toMatchObject({ target: 'buildlogs', from: commit, to: commit, phases: [], files: 0 });
  expect(plan.targets[1]).toMatchObject({ target: 'mirror', to: commit });
  expect(plan.targets[1].from).toBeUndefined();
  expect(plan.targets[1].phases.map(({ name }: { name: string }) => name)).toEqual(['objects', 'commit', 'deltas']);
  const text = (await world.nightly('publish', id, '--dry-run')).stdout;
  expect(text).toMatch(/buildlogs: has [0-9a-f]{12} at mini\/x86_64\/nightly; no ref would move/);
  expect(text).toMatch(
    /mirror: mini\/x86_64\/nightly from nothing \(a new ref\) to [0-9a-f]{12}\n {2}PHASE +FILES +SIZE\n {2}objects +\d+ /,
  );
  expect(await readdir(world.published)).not.toContain('second');

  const published = await world.nightly('publish', id);
  expect(published.stderr).toMatch(/push-buildlogs.*done in an earlier attempt/);
  expect(published.code).toBe(0);
  const sent = JSON.parse(await readFile(join(world.dir, 'work/builds', id, 'x86_64/publish/mirror.json'), 'utf8'));
  expect(sent).toMatchObject({ version: 2, target: 'mirror', to: commit });
  const index = JSON.parse(await readFile(join(second, 'builds/builds.json'), 'utf8'));
  expect(index.builds).toEqual([{ id, arches: ['x86_64'] }]);
});

test('publish --dry-run says which target would refuse a build, and why', async () => {
  await world.distro.bump('app');
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const old = await world.nightly('publish', id, '--dry-run');
  expect(old.stdout).toMatch(/mirror: would be refused\n +Target "mirror" has \d{8}_02 .*back in time/);
  expect(old.code).toBe(1);
});

test('images of an earlier build are made again, and the local ref stays at the newest', async () => {
  const ref = join(world.dir, 'work/repo/refs/heads/mini/x86_64/nightly');
  const newest = (await records(world))[1]?.['ostree-commit'];
  await rm(join(world.dir, 'work/builds', id, 'x86_64/images'), { recursive: true });
  expect(await world.nightly('images', id)).toMatchObject({ code: 0 });
  expect((await readFile(ref, 'utf8')).trim()).toBe(newest);
});

test('publish --dry-run says when a retention would be refused, and that the build itself would not', async () => {
  const text = await readFile(world.config, 'utf8');
  await writeFile(
    world.config,
    text.replace(/(buildlogs: \{[^\n]*)\}/, "$1, retention: {refs: {'other/*': {depth: 1}}}}"),
  );
  const plan = await world.nightly('publish', '--dry-run');
  expect(plan.stdout).toMatch(
    /buildlogs: has [0-9a-f]{12}.*\n +its retention would remove nothing: .*mini\/x86_64\/nightly/,
  );
  expect(plan.code).toBe(0);
});
