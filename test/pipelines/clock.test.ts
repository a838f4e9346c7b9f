import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { everyCase } from '../support/every-case.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, pulled, records, runCli, type World } from '../support/world.ts';

const CLOCK = new URL('../support/clock.mjs', import.meta.url).href;

async function worldWithNight(): Promise<World> {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  const retention = "retention: {refs: {'*': {depth: 1}}, images: 1d, logs: 1d, grace: 1d}";
  const text = await readFile(world.config, 'utf8');
  await writeFile(world.config, text.replace(/(\{type: directory, .*)\}/, `$1, ${retention}}`));
  expect((await world.nightly('nightly')).code).toBe(0);
  return world;
}

const on = (world: World, days: number, args: string[], env: Record<string, string> = {}) =>
  runCli(world.dir, args, { NODE_OPTIONS: `--import=${CLOCK}`, CLOCK_DAYS: String(days), ...env });

const published = async ({ published: folder }: World): Promise<Map<string, string>> => {
  const files = (await filesBelow(folder)).sort();
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(join(folder, file), 'latin1')] as const)),
  );
};

test.each(everyCase ? [400, -400] : [400])(
  'I8: a clock %i days off stops a night before an id is taken; nothing is published or removed',
  async (days) => {
    const world = await worldWithNight();
    await world.distro.bump('app');
    const before = await published(world);
    for (const args of [['nightly'], ['nightly', '--dry-run'], ['prune'], ['prune', '--dry-run']]) {
      const { code, stderr } = await on(world, days, args);
      expect(stderr).toMatch(/clock is in doubt: it says 20.* 400 days (ahead of|behind) the others .*127\.0\.0\.1/);
      expect(stderr).toMatch(/what to do: Set the clock/);
      expect(code).toBe(1);
    }
    expect(await published(world)).toEqual(before);
    expect(await records(world)).toHaveLength(1);
    // All is well as soon as the clock is.
    expect((await world.nightly('nightly')).code).toBe(0);
    expect(await pulled(world, join(world.dir, 'client'))).toBe((await records(world)).at(-1)?.['ostree-commit']);
  },
);

test('K11: who only looks is told of the clock itself, not that what is published were of the future', async () => {
  const world = await worldWithNight();
  const behind = await on(world, -400, ['verify']);
  expect(behind.stdout).toMatch(/^not ok {2}clock: this machine's clock says 20.* 400 days behind the others/m);
  expect(behind.stdout).toMatch(/what to do: Set the clock that is wrong/);
  expect(behind.stdout).not.toMatch(/is in the future|retract/);
  expect(behind.stdout).toMatch(/^1 of \d+ checks did not pass$/m);
  expect(behind.code).toBe(1);
  expect((await on(world, 400, ['doctor'])).stdout).toMatch(
    /^missing +clock +this machine's clock says .* 400 days ahead/m,
  );
  const trusted = await on(world, 400, ['verify'], { ATOMIC_NIGHTLY_TRUST_CLOCK: '1' });
  expect(trusted).toMatchObject({ code: 0, stdout: expect.not.stringContaining('clock') });
});

test('K11: a clock that went wrong after a night was begun publishes and removes nothing when the night goes on', async () => {
  const world = await worldWithNight();
  await world.distro.bump('app');
  expect((await world.nightly('nightly', '--until', 'compose')).code).toBe(0);
  const before = await published(world);
  const logs = [...before.keys()].filter((path) => /\/logs\//.test(path));
  expect(logs).not.toEqual([]);
  const { code, stderr } = await on(world, 400, ['resume']);
  expect(stderr).toMatch(/push-buildlogs.*clock is in doubt/s);
  expect(code).toBe(1);
  expect(await published(world)).toEqual(before);
  // By that clock they would have gone.
  expect((await on(world, 400, ['resume'], { ATOMIC_NIGHTLY_TRUST_CLOCK: '1' })).code).toBe(0);
  const late = await published(world);
  expect(logs.filter((path) => late.has(path))).toEqual([]);
});

test('who runs the program may answer for the clock', async () => {
  const world = await worldWithNight();
  await world.distro.bump('app');
  const trusted = await on(world, 3, ['nightly'], { ATOMIC_NIGHTLY_TRUST_CLOCK: '1' });
  expect([trusted.code, trusted.stderr]).toEqual([0, expect.any(String)]);
});

test('K11: what fails of a complete build by a wrong clock, or where nothing can be written, is told and leaves it complete', async () => {
  const world = await worldWithNight();
  const [first] = await records(world);
  const id = String(first?.['buildid']);
  // A target that got its retention later: only the prune is still to be done.
  const journal = join(world.dir, 'work/builds', id, 'x86_64/journal.ndjson');
  const forget = async (step: RegExp) => {
    const lines = (await readFile(journal, 'utf8')).split('\n').filter((line) => !step.test(line));
    await writeFile(journal, lines.join('\n'));
  };
  await forget(/"step":"prune-buildlogs"/);
  const wrong = await on(world, 400, ['publish', id]);
  expect(wrong.stdout).toMatch(/^Build \d+_01 stays complete, but:\n {2}prune-buildlogs: This machine's clock/m);
  expect(wrong.code).toBe(1);
  expect(await records(world)).toEqual([first]);

  // The step's log cannot be written: the run ends before any step can tell.
  const logs = join(world.dir, 'work/builds', id, 'x86_64/logs');
  await rename(logs, `${logs}.kept`);
  await writeFile(logs, '');
  const unwritable = await world.nightly('images', id);
  expect(unwritable.stderr).toMatch(/logs/);
  expect(unwritable.code).toBe(1);
  expect(await records(world)).toEqual([first]);
  await rm(logs);
  await rename(`${logs}.kept`, logs);

  // An error before anything was done anew is none of the build's, one in what changed is.
  expect((await world.nightly('publish', id)).code).toBe(0);
  expect(await records(world)).toEqual([first]);
});
