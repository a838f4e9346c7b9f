import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { killIn } from '../support/kill.ts';
import { json, makeReleaseWorld, night, RELEASE_REF, recordOf, releasing } from '../support/release-world.ts';
import { makeKey, type TestKey } from '../support/signing-key.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { testTask } from '../support/tmp.ts';
import { pulled, restore, runCli, snapshot, type World } from '../support/world.ts';

const STEPS = [
  'begin',
  'notes',
  'push-mirror',
  'keep-mirror',
  'verify-mirror',
  'publish-cloud',
  'point-cloud',
  'record-staging',
  'pages-cloud',
] as const;

let world: World;
let key: TestKey;
let id = '';
let commit = '';

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  key = await makeKey(dir);
  world = await makeReleaseWorld(dir, {
    images: ['generic-cloud'],
    targets: ['mirror', 'cloud'],
    release: releasing(key),
  });
  const first = await night(world);
  const path = await standInGuest(dir, join(dir, 'work'));
  const promoted = await runCli(dir, ['promote', first, '--json'], { PATH: path });
  expect(promoted.code, promoted.stderr).toBe(0);
  id = JSON.parse(promoted.stdout).build;
  commit = String((await recordOf(world, id)).ostreeCommit);
  await json(world, 'approve', id, '--by', 'Jane Doe');
  await snapshot(world, join(dir, 'snapshot'));
  expect(await world.nightly('release', id)).toMatchObject({ code: 0 });
  const text = await readFile(join(dir, 'work/builds', id, 'x86_64/release/journal.ndjson'), 'utf8');
  const done = [...text.matchAll(/"event":"done","step":"([^"]+)"/g)].map(([, step]) => step);
  // Whoever adds a step adds it here.
  expect(done).toEqual([...STEPS]);
});
afterAll(async () => {
  await world.stop();
  await gpgStopAgent(key.home, testTask(world.dir));
  await rm(world.dir, { recursive: true, force: true });
});

test.each(STEPS)('I4: SIGKILL of a release in %s, then release again, ends as undisturbed', async (step) => {
  await restore(world, join(world.dir, 'snapshot'));
  const at = { build: 1, folder: 'release', step, delayMs: 0 };
  const finished = await killIn(world, ['release', id], at);
  const mirror = { url: `${world.url}/mirror` };
  const how = { key: key.publicKeyFile, ref: RELEASE_REF };
  const between = await pulled(mirror, await mkdtemp(join(world.dir, 'between-')), how).catch(() => undefined);
  // Nothing yet, or all of it.
  expect([undefined, commit]).toContain(between);
  // It is frozen, whatever became of it.
  expect(await world.nightly('images', id)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('never changes'),
  });

  const again = await world.nightly('release', id);
  expect(again.stderr).not.toContain('\u2717');
  expect(again.code).toBe(finished ? 2 : 0);
  expect(await pulled(mirror, await mkdtemp(join(world.dir, 'after-')), how)).toBe(commit);
  expect((await recordOf(world, id)).release).toMatchObject({ at: expect.any(String) });
  const latest = JSON.parse(await readFile(join(world.published, 'cloud/streams/release/latest.json'), 'utf8'));
  expect(latest.arches.x86_64).toMatchObject({ build: id, commit });
  const index = JSON.parse(await readFile(join(world.published, 'cloud/streams/release/releases.json'), 'utf8'));
  expect(index.releases).toHaveLength(1);
  await run('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], {
    cwd: join(world.published, 'cloud/builds', id, 'x86_64'),
  });
});
