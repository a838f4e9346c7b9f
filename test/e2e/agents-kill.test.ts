import { copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { makeAgent } from '../support/agents.ts';
import { killIn } from '../support/kill.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { signedFiles } from '../support/signed-files.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld } from '../support/world.ts';

it('I2, I4: an agent killed while it makes or publishes an image shows nothing half done, and its command, run again, ends it', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  await mkdir(join(dir, 'world'));
  const signing = `signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  const types = ['vagrant-libvirt', 'generic-cloud'];
  const world = await makeWorld(join(dir, 'world'), { images: types, stream: [signing] });
  onTestFinished(() => world.stop());

  // The tree's machine, killed while it publishes the record that agents begin with.
  expect(await killIn(world, ['nightly', '--until', 'push'], { build: 0, step: 'share-buildlogs', delayMs: 0 })).toBe(
    false,
  );
  const again = await world.nightly('nightly', '--until', 'push', '--resume', '--json');
  expect(again.code, again.stderr).toBe(0);
  const { build, left } = JSON.parse(again.stdout) as { build: string; left: string[] };
  expect(left).toEqual(types);
  const folder = join(world.published, 'builds', build, 'x86_64');
  await run('cp', ['-a', world.published, join(dir, 'tree')]);
  const restore = async () => {
    await run('find', [world.published, '-mindepth', '1', '-delete']);
    await run('cp', ['-a', `${join(dir, 'tree')}/.`, world.published]);
  };
  const images = async () => Object.keys(JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8')).images);
  const faults = async () => (await signedFiles(world, dir, key.publicKeyFile)).bad;
  const command = ['images', build, '--only', 'vagrant-libvirt'];

  const agent = await makeAgent(world, join(dir, 'agent'));
  const moments = [
    ['image-vagrant-libvirt', 500],
    ['sign-images', 0],
    ['share-buildlogs', 40],
    ['share-buildlogs', 120],
  ] as const;
  for (const [step, delayMs] of moments) {
    await restore();
    await rm(join(agent.dir, 'work/builds'), { recursive: true, force: true });
    await killIn(agent, command, { build: 0, step, delayMs });
    expect({ step, delayMs, bad: await faults() }).toEqual({ step, delayMs, bad: [] });
    const rerun = await agent.nightly(...command);
    expect(rerun.code, rerun.stderr).toBe(0);
    expect({ step, delayMs, bad: await faults(), images: await images() }).toMatchObject({
      ...{ step, delayMs, bad: [], images: ['vagrant-libvirt'] },
    });
    await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
  }

  // As a kill between the new signature and its record leaves it: nobody else goes on there, the one who was killed does.
  await copyFile(join(dir, 'tree/builds', build, 'x86_64/meta.json'), join(folder, 'meta.json'));
  expect(await faults()).toHaveLength(1);
  const other = await makeAgent(world, join(dir, 'other'));
  expect(await other.nightly('images', build, '--only', 'generic-cloud')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('run its command again first'),
  });
  expect(await agent.nightly(...command)).toMatchObject({ code: 0 });
  expect({ bad: await faults(), images: await images() }).toEqual({ bad: [], images: ['vagrant-libvirt'] });

  // With the last type, all that is missing, the build is complete.
  expect(await other.nightly('images', build)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('is complete'),
  });
});
