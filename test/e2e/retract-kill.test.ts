import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { killIn } from '../support/kill.ts';
import { expectSilence } from '../support/silence.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, type World } from '../support/world.ts';

const ids = async (world: World) => (await records(world)).map((meta) => String(meta['buildid']));

async function badNight(world: World): Promise<string> {
  await world.distro.bump('app');
  const done = await world.nightly('nightly', '--json');
  expect(done, done.stderr).toMatchObject({ code: 0 });
  return JSON.parse(done.stdout).build;
}

/** Steps of a build in the order in which they began. */
async function stepsOf(world: World, id: string): Promise<string[]> {
  const journal = await readFile(join(world.dir, 'work/builds', id, 'x86_64/journal.ndjson'), 'utf8');
  const events = journal.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  return [...new Set(events.flatMap(({ event, step }) => (event === 'start' ? [String(step)] : [])))];
}

const contentOf = async (world: World, commit: unknown) =>
  (await run('ostree', [`--repo=${join(world.published, 'repo')}`, 'ls', '-R', '-C', String(commit)])).stdout;

test('I4: a retraction that is killed in each of its steps, one after the other, ends as an undisturbed one', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const good = (await records(world))[0]?.['ostree-commit'];
  const undisturbed = await world.nightly('retract', await badNight(world), '--reason', 'first');
  expect(undisturbed, undisturbed.stderr).toMatchObject({ code: 0 });
  const steps = await stepsOf(world, (await ids(world)).at(-1) ?? '');
  expect(steps).toEqual(expect.arrayContaining(['push-buildlogs', 'publish-buildlogs', 'mark-buildlogs']));

  const bad = await badNight(world);
  const build = (await ids(world)).length;
  let args = ['retract', bad, '--reason', 'second'];
  let kills = 0;
  for (const step of steps) {
    if (await killIn(world, args, { build, step, delayMs: 0 })) break;
    kills += 1;
    if ((await ids(world)).length > build) args = ['resume'];
  }
  expect(kills).toBe(steps.length);
  const resumed = await world.nightly('resume');
  expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
  const back = (await records(world)).at(-1);
  expect(await ids(world)).toHaveLength(build + 1);
  expect(await stepsOf(world, String(back?.['buildid']))).toEqual(steps);
  expect(await contentOf(world, back?.['ostree-commit'])).toBe(await contentOf(world, good));
  const index = JSON.parse(await readFile(join(world.published, 'builds/builds.json'), 'utf8'));
  expect(index.builds.find(({ id }: { id: string }) => id === bad)).toMatchObject({
    retracted: { by: back?.['buildid'], reason: 'second' },
  });
  await expectSilence(world);
}, 600_000);
