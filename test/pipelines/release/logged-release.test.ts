import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { everyCase } from '../../support/every-case.ts';
import { keepLog, unlogged } from '../../support/logged-world.ts';
import { makeReleaseWorld, night, releasing } from '../../support/release-world.ts';
import { makeSigningKey } from '../../support/signing-key.ts';
import { standInGuest } from '../../support/stand-in-guest.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { runCli, type World } from '../../support/world.ts';

const sumsOf = ({ published }: World, build: string): string =>
  join(published, `cloud/builds/${build}/x86_64/SHA256SUMS`);

it.runIf(everyCase)(
  'I17: promotions, releases and a withdrawal are in the log of each target before they are visible there',
  async () => {
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
    // The signed notes name the script that checks downloads, and what they say to type holds.
    const notes = await readFile(join(world.published, `cloud/builds/${first}/x86_64/release/notes.md`), 'utf8');
    const commands = notes.split('\n').filter((line) => /^ {4}.*(verify\.sh|SHA256SUMS\.tlog-proof)/.test(line));
    const checked = await run(
      'sh',
      ['-ec', ['cp "$1" SHA256SUMS', ...commands].join('\n'), 'sh', sumsOf(world, first)],
      {
        cwd: temporaryFolder(),
      },
    );
    expect([commands.length, checked.stdout]).toEqual([
      4,
      expect.stringMatching(/verify\.sh: OK\nok: SHA256SUMS of build/),
    ]);
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
  },
  600_000,
);
