import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { killIn } from '../support/kill.ts';
import { makeReleaseWorld, metadataOf, night, pulledRelease, recordOf } from '../support/release-world.ts';
import { journal, records, restore, snapshot, type World } from '../support/world.ts';

const STEPS = [
  ...[
    'seed',
    'packages',
    'upstream',
    'resolve',
    'compose',
    'compare',
    'commit',
    'keep-buildlogs',
    'diff',
    'advisories',
  ],
  ...[
    'provenance',
    'measure',
    'push-staging',
    'verify-staging',
    'checksums',
    'publish-staging',
    'pages-staging',
    'prune',
    'supersede',
  ],
];

/** In these a run may be over before the kill arrives, and then nothing is left to resume. */
const LAST = ['checksums', 'publish-staging', 'pages-staging', 'prune', 'supersede'];

let world: World;
let nightId: string;
let earlier: string;
let nightCommit: string;

// A night was promoted before; promoted again, it runs once undisturbed to know its steps.
beforeAll(async () => {
  world = await makeReleaseWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), {
    release: ['cycle: {start: 2020-01-07, upstream: {stream: nightly, max-missing: 0}}'],
  });
  nightId = await night(world);
  nightCommit = String((await recordOf(world, nightId)).ostreeCommit);
  expect((await world.nightly('promote', nightId)).code).toBe(0);
  earlier = String((await records(world))[1]?.['buildid']);
  await snapshot(world, join(world.dir, 'snapshot'));
  expect((await world.nightly('promote', nightId)).code).toBe(0);
  const id = String((await records(world))[2]?.['buildid']);
  const done = (await journal(world, id)).filter(({ event }) => event === 'done');
  // Whoever adds a step adds it here.
  expect(new Set(done.map(({ step }) => step))).toEqual(new Set(STEPS));
});
afterAll(async () => {
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

const moments = STEPS.flatMap((step) => (step === 'compose' ? [0, 500] : [0]).map((delay) => ({ step, delay })));

test.each(moments)(
  'I4: SIGKILL in $step of a promotion after $delay ms, then resume, ends as undisturbed',
  async ({ step, delay }) => {
    await restore(world, join(world.dir, 'snapshot'));
    const before = await recordOf(world, earlier);
    const finished = await killIn(world, ['promote', nightId], { build: 2, step, delayMs: delay });
    expect(finished && !LAST.includes(step)).toBe(false);

    const [, , killed] = await records(world);
    const served = await pulledRelease(world, await mkdtemp(join(world.dir, 'between-')));
    // A tester sees the earlier attempt or the whole new one, whatever moment it was.
    expect([before.ostreeCommit, killed?.['ostree-commit'] ?? '']).toContain(served);

    const resumed = await world.nightly('resume');
    expect(resumed.stderr).not.toContain('✗');
    expect(resumed.code).toBe(finished ? 1 : 0);
    const all = await records(world);
    expect(all).toHaveLength(3);
    const id = String(all[2]?.['buildid']);
    const meta = await recordOf(world, id);
    expect(meta).toMatchObject({
      state: 'complete',
      ostreeContentChecksum: before.ostreeContentChecksum,
      parent: before.ostreeCommit,
      promotion: { of: nightId, attempt: 2, supersedes: [earlier] },
    });
    expect((await recordOf(world, earlier)).supersededBy).toBe(id);
    expect(await pulledRelease(world, await mkdtemp(join(world.dir, 'after-')))).toBe(meta.ostreeCommit);
    expect(await metadataOf(world, String(meta.ostreeCommit), 'version')).toBe(`'${id}'`);
    const promoted = JSON.parse(await readFile(join(world.published, 'builds/promoted.json'), 'utf8'));
    expect(promoted.commits).toEqual({ [nightCommit]: { build: nightId, release: id } });
    await run('ostree', [`--repo=${join(world.published, 'staging/repo')}`, 'fsck', '--quiet']);
  },
);
