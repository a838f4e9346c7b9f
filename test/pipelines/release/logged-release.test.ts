import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { keepLog, unlogged } from '../../support/logged-world.ts';
import { makeReleaseWorld, night, releasing } from '../../support/release-world.ts';
import { makeSigningKey } from '../../support/signing-key.ts';
import { standInGuest } from '../../support/stand-in-guest.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { runCli } from '../../support/world.ts';

it('I17: promotions, releases and a withdrawal are in the log of each target before they are visible there', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const world = await makeReleaseWorld(dir, {
    images: ['generic-cloud'],
    targets: ['mirror', 'cloud'],
    release: releasing(key),
  });
  onTestFinished(() => world.stop());
  await keepLog(world);
  const path = await standInGuest(dir, join(world.dir, 'work'));
  const cli = async (...args: string[]) => {
    const done = await runCli(world.dir, args, { PATH: path });
    expect(done, `${args.join(' ')}\n${done.stderr}`).toMatchObject({ code: 0 });
    return done.stdout;
  };
  const expectLogged = async (...names: string[]): Promise<void> => {
    for (const name of ['', ...names])
      expect([name, await unlogged(world, join(world.published, name))]).toEqual([name, []]);
  };
  const released = async (): Promise<string> => {
    const { build } = JSON.parse(await cli('promote', await night(world), '--json'));
    await expectLogged('staging');
    await cli('approve', build, '--by', 'Jane Doe');
    await cli('release', build);
    await expectLogged('staging', 'mirror', 'cloud');
    return build;
  };
  const first = await released();
  await world.distro.bump('app');
  const second = await released();
  await cli('release', second, '--withdraw', '--reason', 'does not boot');
  await expectLogged('staging', 'mirror', 'cloud');
  const { entries } = JSON.parse(await cli('log', 'show', '--last', '100', '--json'));
  const of = (kind: string) => entries.filter((one: { kind: string }) => one.kind === kind);
  expect(of('release').map(({ id }: { id: string }) => id)).toEqual([first, second]);
  expect(of('withdraw')).toMatchObject([{ ids: [second], previous: first, reason: 'does not boot' }]);
  expect(of('build-changed').map(({ change }: { change: string }) => change)).toEqual(
    expect.arrayContaining(['released', 'withdrawn']),
  );
}, 600_000);
