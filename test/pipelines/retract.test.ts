import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { everyCase } from '../support/every-case.ts';
import { killIn } from '../support/kill.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, runCli, type World } from '../support/world.ts';

const REF = 'mini/x86_64/nightly';
const CLOCK = new URL('../support/clock.mjs', import.meta.url).href;

/** A host's repository: it upgrades again and again, and refuses to go back in time. */
async function client(world: World, key?: string) {
  const repo = join(world.dir, 'client');
  const ostree = async (...args: string[]) => (await run('ostree', [`--repo=${repo}`, ...args])).stdout;
  await ostree('init', '--mode=bare-user');
  const trust = key === undefined ? ['--no-gpg-verify'] : [`--gpg-import=${key}`, '--set=gpg-verify-summary=true'];
  await ostree('remote', 'add', ...trust, 'origin', `${world.url}/repo`);
  return {
    upgrade: async () => {
      await ostree('pull', '--timestamp-check', 'origin', REF);
      return (await ostree('rev-parse', `origin:${REF}`)).trim();
    },
    tree: (commit: string) => ostree('ls', '-R', '-C', commit),
  };
}

const json = async (world: World, path: string) => JSON.parse(await readFile(join(world.published, path), 'utf8'));

async function expectSilence(world: World): Promise<void> {
  const { targets } = JSON.parse((await world.nightly('publish', '--reconcile', '--dry-run', '--json')).stdout);
  for (const { phases, remove, sign, log, flips, index, unrepairable } of targets) {
    const due = phases.flatMap(({ files }: { files: object[] }) => files);
    expect({ due, remove, sign, log, flips, index, unrepairable }).toEqual({
      ...{ due: [], remove: [], sign: [], log: [], flips: [], index: [], unrepairable: [] },
    });
  }
  const verified = await world.nightly('verify');
  expect(verified, verified.stdout + verified.stderr).toMatchObject({ code: 0 });
}

const ids = async (world: World) => (await records(world)).map((meta) => String(meta['buildid']));

test('I4, I5: a bad night is taken back by a newer commit with the good tree, also after a kill', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const world = await makeWorld(dir, {
    images: ['generic-cloud'],
    stream: [`signing: {type: gpg-agent, home: ${key.home}, key: ${key.key}}`],
  });
  onTestFinished(() => world.stop());
  const host = await client(world, key.publicKeyFile);
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const first = await host.upgrade();
  await world.distro.bump('app');
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const second = await host.upgrade();
  const [good = '', bad = ''] = await ids(world);
  const image = `builds/${bad}/x86_64/${(await json(world, `builds/${bad}/x86_64/meta.json`)).images['generic-cloud'].path}`;
  expect((await world.nightly('retract', bad)).stderr).toMatch(/--reason/);
  expect(await world.nightly('retract', good, '--reason', 'x')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`${bad} came after it`),
  });
  const plan = await world.nightly('retract', bad, '--reason', 'no network', '--dry-run', '--json');
  expect(JSON.parse(plan.stdout)).toMatchObject({ of: bad, previous: good, between: [], promoted: [] });
  expect(await ids(world)).toEqual([good, bad]);

  await killIn(world, ['retract', bad, '--reason', 'no network'], { build: 2, step: 'mark-buildlogs', delayMs: 0 });
  expect(await world.nightly('retract', bad, '--reason', 'again')).toMatchObject({ code: 2 });
  const resumed = await world.nightly('resume');
  expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
  const third = await host.upgrade();
  expect([first, second]).not.toContain(third);
  expect(await host.tree(third)).toBe(await host.tree(first));
  const [, , back = ''] = await ids(world);
  const retracted = { reason: 'no network', by: back };
  expect(await json(world, `builds/${bad}/x86_64/meta.json`)).toMatchObject({ 'atomic-nightly.retracted': retracted });
  expect((await json(world, 'builds/builds.json')).builds).toMatchObject([
    { id: back },
    { id: bad, retracted },
    { id: good },
  ]);
  const { artifacts } = (await json(world, 'streams/nightly.json')).architectures.x86_64;
  expect(artifacts['generic-cloud'].release).toBe(good);
  expect(existsSync(join(world.published, image))).toBe(true);
  expect(await readFile(join(world.published, `builds/${bad}/x86_64/index.html`), 'utf8')).toContain('no network');
  expect(await readFile(join(world.published, 'get/index.html'), 'utf8')).not.toContain(image);
  await expectSilence(world);

  // An index that is lost is made anew from the records, and says as much.
  const index = await json(world, 'builds/builds.json');
  for (const name of ['builds.json', 'builds.json.asc']) await rm(join(world.published, 'builds', name));
  expect(await world.nightly('publish', '--reconcile')).toMatchObject({ code: 0 });
  expect((await json(world, 'builds/builds.json')).builds).toEqual(index.builds);
  await expectSilence(world);

  // Nothing brings it back.
  for (const args of [
    ['images', bad],
    ['publish', bad],
    ['promote', bad],
    ['retract', bad, '--reason', 'again'],
  ])
    expect((await world.nightly(...args)).code).not.toBe(0);
  const again = await world.nightly('nightly');
  expect(again).toMatchObject({ code: 10, stdout: expect.stringContaining(`as ${bad}, which was retracted`) });
  await world.distro.bump('app');
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  expect(await host.upgrade()).toBe((await records(world)).at(-1)?.['ostree-commit']);
}, 600_000);

test.runIf(everyCase)(
  'the tested ref and its pointer leave a bad night, and follow later ones',
  async () => {
    const dir = temporaryFolder();
    const key = await makeSigningKey(dir);
    const world = await makeWorld(dir, {
      images: ['generic-cloud'],
      smokeTest: '{images: [generic-cloud]}',
      stream: [`signing: {type: gpg-agent, home: ${key.home}, key: ${key.key}}`],
    });
    onTestFinished(() => world.stop());
    const PATH = await standInGuest(world.dir, join(world.dir, 'work'));
    const night = async () => expect(await runCli(world.dir, ['nightly'], { PATH })).toMatchObject({ code: 0 });
    const tested = async () => (await json(world, 'streams/nightly/tested.json')).arches.x86_64;
    const head = async () => (await readFile(join(world.published, `repo/refs/heads/${REF}-tested`), 'utf8')).trim();
    await night();
    await world.distro.bump('app');
    await night();
    const [, bad = ''] = await ids(world);
    expect(await tested()).toMatchObject({ build: bad, commit: await head() });
    const before = await head();
    await killIn(world, ['retract', bad, '--reason', 'no network'], { build: 2, step: 'tested-buildlogs', delayMs: 0 });
    expect(await runCli(world.dir, ['resume'], { PATH })).toMatchObject({ code: 0 });
    const [, , back = ''] = await ids(world);
    expect(await head()).not.toBe(before);
    expect(await tested()).toEqual({ build: back, commit: await head(), ref: `${REF}-tested` });
    await expectSilence(world);

    // Made anew of the records, should anybody have put another one there.
    const pointer = await readFile(join(world.published, 'streams/nightly/tested.json'), 'utf8');
    await writeFile(join(world.published, 'streams/nightly/tested.json'), pointer.replace(back, bad));
    await rm(join(world.published, 'streams/nightly/tested.json.asc'));
    expect(await world.nightly('publish', '--reconcile')).toMatchObject({ code: 0 });
    expect(await tested()).toMatchObject({ build: back });
    await expectSilence(world);
    await world.distro.bump('app');
    await night();
    expect(await tested()).toMatchObject({ build: (await ids(world)).at(-1), commit: await head() });
  },
  600_000,
);

test.runIf(everyCase)(
  'I5, I8: the way back from a night dated in the future: later nights follow',
  async () => {
    const world = await makeWorld(temporaryFolder());
    onTestFinished(() => world.stop());
    const host = await client(world);
    expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
    const first = await host.upgrade();
    await world.distro.bump('app');
    const env = { NODE_OPTIONS: `--import=${CLOCK}`, CLOCK_DAYS: '400', ATOMIC_NIGHTLY_TRUST_CLOCK: '1' };
    expect(await runCli(world.dir, ['nightly'], env)).toMatchObject({ code: 0 });
    await host.upgrade();
    const [good = '', bad = ''] = await ids(world);
    expect(await world.nightly('nightly')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/clock is in doubt[\s\S]*retract/),
    });
    const trusted = await runCli(world.dir, ['nightly'], { ATOMIC_NIGHTLY_TRUST_CLOCK: '1' });
    expect(trusted).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Either this machine's clock[\s\S]*retract/),
    });

    const done = await world.nightly('retract', bad, '--reason', 'dated in the future', '--to', good);
    expect(done, done.stderr).toMatchObject({ code: 0 });
    expect(await host.tree(await host.upgrade())).toBe(await host.tree(first));
    const listed = JSON.parse((await world.nightly('list', '--json')).stdout);
    expect(listed.slice(0, 2)).toMatchObject([{ 'atomic-nightly.retraction': { of: bad } }, { buildid: bad }]);
    expect((await json(world, 'builds/builds.json')).builds[0].id).not.toBe(bad);

    // The same packages, which were good but for the date; then two more.
    for (const change of [false, true]) {
      if (change) await world.distro.bump('app');
      const night = await world.nightly('nightly', '--json');
      expect(night, night.stderr).toMatchObject({ code: 0 });
      const { build, commit } = JSON.parse(night.stdout);
      expect(build.slice(0, 8)).toBe(new Date().toISOString().slice(0, 10).replaceAll('-', ''));
      expect(await host.upgrade()).toBe(commit);
    }
    await expectSilence(world);
  },
  600_000,
);
