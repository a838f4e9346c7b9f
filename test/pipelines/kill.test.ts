import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { everyCase } from '../support/every-case.ts';
import { killIn } from '../support/kill.ts';
import { makeKey, type TestKey } from '../support/signing-key.ts';
import { testTask } from '../support/tmp.ts';
import { journal, makeWorld, pulled, records, restore, snapshot, type World } from '../support/world.ts';

const STEPS = [
  'seed',
  'repositories',
  'resolve',
  'compose',
  'diff',
  'advisories',
  'provenance',
  'measure',
  'sign',
  'deltas',
  'push-buildlogs',
  'verify-buildlogs',
  'image-generic-cloud',
  'checksums',
  'sign-files',
  'publish-buildlogs',
  'pages-buildlogs',
  'prune',
  'prune-buildlogs',
] as const;

let world: World;
let signing: TestKey;
let before: string;
let undisturbed: Record<string, string | undefined>;

// One night is published, a package is updated, and the second night runs once undisturbed to compare with.
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  signing = await makeKey(dir);
  world = await makeWorld(dir, {
    images: ['generic-cloud'],
    stream: [`signing: {type: gpg-agent, home: ${signing.home}, key: ${signing.key}}`, 'deltas: [parent, scratch]'],
    target: (path, url) =>
      `{type: directory, path: ${path}, url: '${url}', retention: {refs: {'mini/*': {depth: 1}}, grace: 1m}}`,
  });
  expect((await world.nightly('nightly')).code).toBe(0);
  before = String((await records(world))[0]?.['ostree-commit']);
  await world.distro.bump('app');
  await snapshot(world, join(world.dir, 'snapshot'));
  // The same tree needs the same build time (I10).
  process.env['SOURCE_DATE_EPOCH'] = String(Math.floor(Date.now() / 1000));
  const second = await world.nightly('nightly');
  expect(second.code).toBe(0);
  const [, meta] = await records(world);
  undisturbed = meta ?? {};
  const done = (await journal(world, String(meta?.['buildid']))).filter(({ event }) => event === 'done');
  // Whoever adds a step adds it here.
  expect(new Set(done.map(({ step }) => step))).toEqual(new Set(STEPS));
});
afterAll(async () => {
  delete process.env['SOURCE_DATE_EPOCH'];
  await world.stop();
  await gpgStopAgent(signing.home, testTask(world.dir));
  await rm(world.dir, { recursive: true, force: true });
});

const moments = STEPS.flatMap((step) => {
  const long = ['compose', 'image-generic-cloud'].includes(step);
  return (long ? [0, 600] : [0]).map((delay) => ({ step, delay }));
});
// Those in which most is half done.
const TELLING = ['compose 600', 'push-buildlogs 0', 'image-generic-cloud 600', 'publish-buildlogs 0'];
const chosen = moments.filter(({ step, delay }) => everyCase || TELLING.includes(`${step} ${delay}`));

test.each(chosen)('I4: SIGKILL in $step after $delay ms, then resume, ends as undisturbed', async ({ step, delay }) => {
  await restore(world, join(world.dir, 'snapshot'));
  const finished = await killIn(world, ['nightly'], { build: 1, step, delayMs: delay });

  const [, killed] = await records(world);
  const served = await pulled(world, await mkdtemp(join(world.dir, 'between-')), { key: signing.publicKeyFile });
  // A client sees the old night or the whole new one, whatever moment it was.
  expect([before, killed?.['ostree-commit'] ?? before]).toContain(served);

  // The last steps take milliseconds: a run can be over before the kill arrives, and then nothing is left to resume.
  expect(
    finished &&
      !['checksums', 'sign-files', 'publish-buildlogs', 'pages-buildlogs', 'prune', 'prune-buildlogs'].includes(step),
  ).toBe(false);
  const resumed = await world.nightly('resume');
  expect(resumed.stderr).not.toContain('✗');
  expect(resumed.code).toBe(finished ? 1 : 0);
  const all = await records(world);
  expect(all).toHaveLength(2);
  expect(all[1]).toMatchObject({
    'atomic-nightly.state': 'complete',
    'ostree-content-checksum': undisturbed['ostree-content-checksum'],
    pkgdiff: undisturbed['pkgdiff'],
  });
  const client = await mkdtemp(join(world.dir, 'after-'));
  const commit = await pulled(world, client, { key: signing.publicKeyFile, options: ['--require-static-deltas'] });
  expect(commit).toBe(all[1]?.['ostree-commit']);
  const log = await run('ostree', [`--repo=${client}`, 'show', '--print-metadata-key=version', commit]);
  expect(log.stdout.trim()).toBe(`'${all[1]?.['buildid']}'`);
  await run('ostree', [`--repo=${join(world.published, 'repo')}`, 'fsck', '--quiet']);
});
