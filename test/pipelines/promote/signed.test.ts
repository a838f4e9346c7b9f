import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { json, makeReleaseWorld, night, RELEASE_REF, recordOf } from '../../support/release-world.ts';
import { makeSigningKey } from '../../support/signing-key.ts';
import { temporaryFolder } from '../../support/tmp.ts';

it('I2: a promotion is signed with the key of the release, and has images of its own', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  await mkdir(join(dir, 'world'));
  const signing = `signing: {type: gpg-agent, home: ${key.home}, key: ${key.key}}`;
  const release = [signing, 'deltas: [parent]', 'images: [generic-cloud]', 'image-prefix: release'];
  const world = await makeReleaseWorld(join(dir, 'world'), { images: ['generic-cloud'], release });
  onTestFinished(() => world.stop());
  const id = await night(world);
  await json(world, 'promote', id);
  const { build, commit } = await json<{ build: string; commit: string }>(world, 'promote', id);

  // A client that trusts the release key alone, in commit and summary, and takes nothing but the delta.
  const repo = join(dir, 'client');
  const ostree = (...args: string[]) => run('ostree', [`--repo=${repo}`, ...args]);
  await ostree('init', '--mode=bare-user');
  const trust = [`--gpg-import=${key.publicKeyFile}`, '--set=gpg-verify-summary=true'];
  await ostree('remote', 'add', ...trust, 'origin', `${world.url}/staging/repo`);
  await ostree('pull', 'origin', RELEASE_REF);
  expect((await ostree('rev-parse', `origin:${RELEASE_REF}`)).stdout.trim()).toBe(commit);
  expect((await ostree('show', commit)).stdout).toContain('Good signature');
  const meta = await recordOf(world, build);
  expect(meta.images?.['generic-cloud']?.path).toMatch(/^images\/release-\d+_\d+-GenericCloud\.qcow2$/);
  expect(meta.deltas).toHaveLength(1);
  const verify = await world.nightly('verify', 'staging', '--images');
  expect(verify.stdout).toMatch(/checks passed/);
  expect(verify.code).toBe(0);

  // What is missing of a promotion is made again by the same commands as of a night.
  await run('rm', ['-r', join(world.dir, 'work/builds', build, 'x86_64/images')]);
  expect(await world.nightly('images', build)).toMatchObject({ code: 0 });
  expect(await world.nightly('publish', build, '--dry-run')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('no ref would move'),
  });
});
