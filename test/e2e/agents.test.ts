import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { storedMeta } from '../../src/build/build-record-format.ts';
import { run } from '../../src/programs/exec.ts';
import { makeAgent, overSsh } from '../support/agents.ts';
import { metaOf } from '../support/build-meta.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { sharedRadosgw, whyNoRadosgw } from '../support/radosgw.ts';
import { makeBucket } from '../support/s3-bucket.ts';
import { signedFiles } from '../support/signed-files.ts';
import { startSshd } from '../support/sshd.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld } from '../support/world.ts';

const TYPES = ['generic-cloud', 'vagrant-libvirt'] as const;

/** What must be the same whoever made it. */
function comparable(stored: unknown) {
  const meta = metaOf(stored);
  const { images, pkgdiff, ostreeCommit: commit } = meta;
  const { state, failures } = meta;
  return { images, pkgdiff, commit, state, failures, tests: Object.keys(meta.smokeTests ?? {}) };
}

/** Everything of a night has one time, so that it can be made again in the same bytes. */
function stopClock(): void {
  process.env['SOURCE_DATE_EPOCH'] = String(Math.floor(Date.now() / 1000));
  onTestFinished(() => {
    delete process.env['SOURCE_DATE_EPOCH'];
  });
}

it('images made on two empty agents at once, with nothing between them but an ssh target, are those of one machine, with one record', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  const sshd = await startSshd(join(dir, 'sshd'));
  await mkdir(join(dir, 'world'));
  const signing = `signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  const world = await makeWorld(join(dir, 'world'), { images: TYPES, stream: [signing], target: overSsh(sshd) });
  onTestFinished(() => world.stop());
  stopClock();
  const one = await makeAgent(world, join(dir, 'one'));
  const { build, commit } = await one.json<{ build: string; commit: string }>('nightly');
  const folder = join(world.published, 'builds', build, 'x86_64');
  const published = async (name: string) => readFile(join(folder, name), 'utf8');
  // A lockfile says when it was made.
  const sums = async () =>
    (await published('SHA256SUMS')).split('\n').filter((line) => !line.endsWith('lockfile.json'));
  const pointers = async () => {
    const boxes = JSON.parse(await readFile(join(world.published, 'vagrant/mini-nightly.json'), 'utf8'));
    const stream = JSON.parse(await readFile(join(world.published, 'streams/nightly.json'), 'utf8'));
    return { boxes, artifacts: stream.architectures.x86_64.artifacts };
  };
  const undisturbed = {
    meta: comparable(JSON.parse(await published('meta.json'))),
    sums: await sums(),
    ...(await pointers()),
    signed: await signedFiles(world, dir, key.publicKeyFile),
  };
  await run('find', [world.published, '-mindepth', '1', '-delete']);

  const [tree, left, right] = await Promise.all(
    ['tree', 'left', 'right'].map((name) => makeAgent(world, join(dir, name))),
  );
  if (!tree || !left || !right) throw new Error('three agents were asked for');
  // A signature has a time of its own, and that of the commit is in the images.
  await cp(join(one.dir, 'work/signatures'), join(tree.dir, 'work/signatures'), { recursive: true });
  const stopped = await tree.json('nightly', '--until', 'push');
  expect(stopped).toMatchObject({ build, commit, state: 'stopped', after: 'push', left: TYPES, failures: [] });
  expect(JSON.parse(await published('meta.json'))).toMatchObject({
    'atomic-nightly.state': 'incomplete',
    'atomic-nightly.pending-images': TYPES,
    images: {},
  });
  expect((await tree.nightly('list')).stdout).toContain('incomplete');

  const results = await Promise.all([
    left.nightly('images', build, '--only', 'generic-cloud'),
    right.nightly('images', build, '--only', 'vagrant-libvirt'),
  ]);
  for (const { code, stderr } of results) expect(code, stderr).toBe(0);
  expect(comparable(JSON.parse(await published('meta.json')))).toEqual(undisturbed.meta);
  expect(await sums()).toEqual(undisturbed.sums);
  await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
  expect(await pointers()).toEqual({ boxes: undisturbed.boxes, artifacts: undisturbed.artifacts });
  expect(await signedFiles(world, dir, key.publicKeyFile)).toEqual(undisturbed.signed);
  expect(await tree.nightly('verify', '--images')).toMatchObject({ code: 0 });

  // A repair by the tree's machine, which knows less than the target has, takes nothing away.
  expect(await tree.nightly('publish', '--reconcile')).toMatchObject({ code: 0 });
  expect(comparable(JSON.parse(await published('meta.json')))).toEqual(undisturbed.meta);
  expect(await sums()).toEqual(undisturbed.sums);

  // Where the tree was made, the same is known after a resume; nothing is made twice.
  const resumed = await tree.nightly('resume', build);
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(resumed.stderr).not.toContain('image-generic-cloud');
  expect(comparable(storedMeta(await tree.recordOf(build)))).toEqual(undisturbed.meta);
  expect(await sums()).toEqual(undisturbed.sums);

  // Nobody makes images of what is not there, of a type that is not known, or that somebody tampered with.
  expect(await left.nightly('images', '20200101_01')).toMatchObject({ code: 1 });
  const typo = await left.nightly('images', build, '--only', 'generic-clod');
  expect(typo).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean "generic-cloud"?') });
  await run('sed', ['-i', 's/"state": "complete"/"state": "incomplete"/;s/"name"/"Name"/', join(folder, 'meta.json')]);
  const tampered = await right.nightly('images', build);
  expect(tampered).toMatchObject({ code: 1, stderr: expect.stringContaining('meta.json') });
  expect(tampered.stderr).toContain('has no good signature');
});

describe.skipIf(whyNoRadosgw())('on S3', () => {
  it('two agents at once, and then one for what is missing, which completes the build and moves the tested ref', async () => {
    const dir = temporaryFolder();
    const types = [...TYPES, 'vagrant-virtualbox'];
    const { config } = await makeBucket(await sharedRadosgw());
    const { bucket, prefix, endpoint, url } = config;
    await mkdir(join(dir, 'world'));
    const world = await makeWorld(join(dir, 'world'), {
      images: types,
      smokeTest: `{images: [${types.join(', ')}], timeout: 60}`,
      target: () => `{type: s3, bucket: ${bucket}, prefix: ${prefix}, endpoint: '${endpoint}', url: '${url}'}`,
    });
    onTestFinished(() => world.stop());
    const agent = async (name: string) =>
      makeAgent(world, join(dir, name), await standInGuest(join(dir, name), join(dir, name, 'work')));
    const [tree, left, right] = [await agent('tree'), await agent('left'), await agent('right')];
    const { build, commit } = await tree.json<{ build: string; commit: string }>('nightly', '--until', 'push');
    const get = async (path: string) => {
      const answer = await fetch(`${url}/${path}`);
      return answer.ok ? answer.text() : undefined;
    };
    const testedRef = 'repo/refs/heads/mini/x86_64/nightly-tested';
    const both = await Promise.all([
      left.json('images', build, '--only', 'vagrant-libvirt'),
      right.json('images', build, '--only', 'generic-cloud'),
    ]);
    for (const one of both) expect(one).toMatchObject({ state: 'stopped' });
    const early = JSON.parse((await get(`builds/${build}/x86_64/meta.json`)) ?? '');
    expect(Object.keys(early.images ?? {})).toEqual(TYPES);
    expect(early).toMatchObject({ 'atomic-nightly.pending-images': ['vagrant-virtualbox'] });
    expect(await get(testedRef)).toBeUndefined();
    // Without "--only" an agent makes what is missing, and nothing else.
    const last = await right.nightly('images', build);
    expect(last.code, last.stderr).toBe(0);
    expect(last.stderr).toContain('vagrant-libvirt is there already');
    expect(last.stderr).not.toContain('image-vagrant-libvirt');
    expect((await get(testedRef))?.trim()).toBe(commit);
    const meta = JSON.parse((await get(`builds/${build}/x86_64/meta.json`)) ?? '');
    expect(comparable(meta)).toMatchObject({ state: 'complete', failures: [], commit });
    expect(comparable(meta).tests).toEqual(types);
    for (const { path, sha256 } of Object.values(metaOf(meta).images ?? {})) {
      const bytes = new Uint8Array(await (await fetch(`${url}/builds/${build}/x86_64/${path}`)).arrayBuffer());
      expect((await run('sha256sum', [], { input: bytes })).stdout).toContain(sha256);
    }
    // Once more from nothing: all is there.
    await rm(join(dir, 'left/work'), { recursive: true });
    const again = await left.nightly('images', build);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).not.toContain('image-');
    expect((await left.recordOf(build)).images).toEqual(metaOf(meta).images);
  });
});
