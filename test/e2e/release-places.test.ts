import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { armoredSignature } from '../../src/base/openpgp-packets.ts';
import { run } from '../../src/programs/exec.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { replaceFile } from '../support/reconcile.ts';
import { makeReleaseWorld, night, RELEASE_REF, recordOf, releasing } from '../support/release-world.ts';
import { signedFiles } from '../support/signed-files.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

it('a target that gets only the tree of releases, and one that gets only their images, are verified, repaired and pruned as what they are', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const world = await makeReleaseWorld(dir, {
    images: ['vagrant-libvirt'],
    targets: ['mirror', 'cloud'],
    release: releasing(key).map((line) =>
      line.replace('generic-cloud', 'vagrant-libvirt').replace('approvals: 1', 'approvals: 0'),
    ),
  });
  onTestFinished(() => world.stop());
  const path = await standInGuest(dir, join(world.dir, 'work'));
  const cli = (...args: string[]) => runCli(world.dir, args, { PATH: path });
  const released = async (): Promise<string> => {
    const id = await night(world);
    const { build } = JSON.parse((await cli('promote', id, '--json')).stdout);
    expect(await cli('release', build)).toMatchObject({ code: 0 });
    return build;
  };
  const first = await released();
  const targets = JSON.parse((await cli('keys', 'show', '--json')).stdout)[0].targets;
  expect(targets.toSorted()).toEqual(['cloud', 'mirror', 'staging']);

  const sound = await cli('verify', 'cloud', '--images');
  expect(sound.stdout).toContain('ok      summary: no tree is published here');
  expect(sound.stdout).toMatch(/ok {6}streams\/release\/latest.json, x86_64: build \d+_\d+\n/);
  expect(sound.stdout).toMatch(/latest.json, signature: good[\s\S]*releases.json, signature: good/);
  expect(sound).toMatchObject({ code: 0, stdout: expect.stringMatching(/all \d+ checks passed/) });
  expect(await cli('verify', 'mirror')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('ok      builds.json: no images and records are published here'),
  });
  for (const target of ['cloud', 'mirror']) {
    expect(await cli('publish', '--reconcile', '--target', target)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^target \S+ .*\nnothing to repair$/m),
    });
  }

  // What is lost there comes back from here, signatures and all.
  const cloud = join(world.published, 'cloud');
  const folder = join(cloud, 'builds', first, 'x86_64');
  await run('rm', ['-r', join(folder, 'images'), join(folder, 'release/notes.md'), join(cloud, 'builds/builds.json')]);
  await replaceFile(join(cloud, 'streams/release/latest.json.asc'), 'no signature');
  const lost = await cli('verify', 'cloud');
  expect(lost).toMatchObject({ code: 1, stdout: expect.stringContaining('not ok  builds.json') });
  const repair = await cli('publish', '--reconcile', '--target', 'cloud');
  expect(repair.stdout).toMatch(/target cloud: no tree is published there; \d+ files\n/);
  expect(repair).toMatchObject({ code: 0 });
  expect(await cli('verify', 'cloud', '--images')).toMatchObject({ code: 0 });
  expect(await readFile(join(folder, 'release/notes.md'), 'utf8')).toContain(first);

  // A mirror that is lost as a whole gets the release, not the promotion after it.
  await world.distro.bump('app');
  const unreleased = JSON.parse((await cli('promote', await night(world), '--json')).stdout);
  await run('find', [join(world.published, 'mirror'), '-mindepth', '1', '-delete']);
  expect(await cli('publish', '--reconcile', '--target', 'mirror')).toMatchObject({ code: 0 });
  const ref = await readFile(join(world.published, 'mirror/repo/refs/heads', RELEASE_REF), 'utf8');
  expect(ref.trim()).toBe((await recordOf(world, first)).ostreeCommit);
  expect(await cli('verify', 'mirror')).toMatchObject({ code: 0 });
  await expect(readFile(join(world.published, 'mirror/repo/refs/heads', `${RELEASE_REF}-tested`))).rejects.toThrow();

  // Images go by their age, but for those that readers are led to; what names them is signed anew.
  expect(await cli('release', unreleased.build)).toMatchObject({ code: 0 });
  for (const id of [first, unreleased.build]) {
    const meta = join(cloud, 'builds', id, 'x86_64/meta.json');
    const old = { ...JSON.parse(await readFile(meta, 'utf8')), 'ostree-timestamp': '2026-01-01T00:00:00Z' };
    await replaceFile(meta, JSON.stringify(old));
    // A record without a good signature says nothing of its age.
    const signer = openSigner({ type: 'gpg-agent', home: key.home, key: key.key });
    const signature = await signer.sign(Buffer.from(JSON.stringify(old)), testTask(dir));
    await replaceFile(`${meta}.asc`, armoredSignature(signature));
  }
  const config = await readFile(world.config, 'utf8');
  const kept = `, retention: {refs: {}, images: 1m, logs: 1m}}`;
  await writeFile(world.config, config.replace(/( {2}cloud: .*)\}\n/, `$1${kept}\n`));
  const there = async (id: string, what: string) => readdir(join(cloud, 'builds', id, 'x86_64', what));
  expect(await there(first, 'images')).toHaveLength(2);
  const pruned = await cli('prune', 'cloud');
  expect(pruned.stderr).not.toContain('✗');
  expect(pruned).toMatchObject({ code: 0, stdout: expect.stringMatching(/images and logs +\d+/) });
  expect([await there(first, 'images'), await there(first, 'logs')]).toEqual([[], []]);
  expect(await there(unreleased.build, 'images')).toHaveLength(2);
  const boxes = await readFile(join(cloud, 'vagrant/mini-release.json'), 'utf8');
  expect(JSON.parse(boxes).versions).toHaveLength(1);
  const { bad, alone } = await signedFiles({ ...world, published: cloud }, dir, key.publicKeyFile);
  expect({ bad, alone }).toEqual({ bad: [], alone: [] });
});
