import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import type { ImageFile } from '../../src/images/image.ts';
import { run } from '../../src/programs/exec.ts';
import { metaOf } from '../support/build-meta.ts';
import { everyCase } from '../support/every-case.ts';
import { journal, makeWorld, records, restore, snapshot, startCli, type World } from '../support/world.ts';

const TYPES = ['generic-cloud', 'vagrant-libvirt', 'vagrant-virtualbox', 'iso'] as const;

let world: World;
let images: Readonly<Record<string, ImageFile>>;

// A night with all its images, once undisturbed; the same again ends in the same bytes (I10).
beforeAll(async () => {
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), { images: TYPES });
  await mkdir(join(world.dir, 'work'));
  await snapshot(world, join(world.dir, 'snapshot'));
  process.env['SOURCE_DATE_EPOCH'] = String(Math.floor(Date.now() / 1000));
  const night = await world.nightly('nightly');
  expect(night.stderr).not.toContain('✗');
  expect(night.code).toBe(0);
  images = await recorded();
});
afterAll(async () => {
  delete process.env['SOURCE_DATE_EPOCH'];
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

async function recorded(): Promise<Readonly<Record<string, ImageFile>>> {
  return metaOf((await records(world))[0]).images ?? {};
}

const buildDir = async () => join(world.dir, 'work/builds', String((await records(world))[0]?.['buildid']), 'x86_64');

test('each image is recorded with both sizes and checksums, its commit and its template', async () => {
  expect(Object.keys(images)).toEqual([...TYPES]);
  const [meta] = await records(world);
  for (const image of Object.values(images)) {
    expect(image).toMatchObject({
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      size: (await stat(join(await buildDir(), image.path))).size,
      uncompressedSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      commit: meta?.['ostree-commit'],
      templateDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  }
  expect(images['generic-cloud']?.bootLoader).toBe('grub-menu (BIOS from this host, UEFI from this host)');
  expect(images['generic-cloud']?.uncompressedSize).toBe(1024 ** 3);
  const box = images['vagrant-libvirt'];
  const tar = (await run('sh', ['-c', 'gzip -dc "$1" | sha256sum', 'sh', join(await buildDir(), box?.path ?? '')]))
    .stdout;
  expect(tar.slice(0, 64)).toBe(box?.uncompressedSha256);
});

test('SHA256SUMS on the target covers every image', async () => {
  const published = join(world.published, 'builds', String((await records(world))[0]?.['buildid']), 'x86_64');
  const { stdout } = await run('sha256sum', ['-c', 'SHA256SUMS'], { cwd: published });
  for (const { path } of Object.values(images)) expect(stdout).toContain(`${path}: OK`);
});

test("the box catalogue on the target names both boxes with their checksums and the target's URLs", async () => {
  const catalogue = JSON.parse(await readFile(join(world.published, 'vagrant/mini-nightly.json'), 'utf8'));
  const [meta] = await records(world);
  const [day, count] = String(meta?.['buildid']).split('_');
  expect(catalogue).toMatchObject({
    name: 'mini-nightly',
    versions: [
      {
        version: `${day}.${Number(count)}`,
        providers: (['libvirt', 'virtualbox'] as const).map((name) => ({
          name,
          url: `${world.url}/builds/${meta?.['buildid']}/x86_64/${images[`vagrant-${name}`]?.path}`,
          checksum: images[`vagrant-${name}`]?.sha256,
        })),
      },
    ],
  });
});

test('another machine fetches the build with its images, each verified before it has its name', async () => {
  const id = String((await records(world))[0]?.['buildid']);
  const elsewhere = join(world.dir, 'elsewhere.yaml');
  const text = await readFile(world.config, 'utf8');
  await writeFile(elsewhere, text.replace('work: ./work', 'work: ./work-elsewhere'));
  const fetch = (...args: readonly string[]) => world.nightly('--config', elsewhere, 'fetch', id, ...args);
  const folder = join(world.dir, 'work-elsewhere/builds', id, 'x86_64');
  const iso = images['iso']?.path ?? '';
  // One byte of an image changes on the target.
  const there = join(world.published, 'builds', id, 'x86_64', iso);
  const whole = await readFile(there);
  await rm(there);
  await writeFile(there, Buffer.concat([whole.subarray(0, -1), Buffer.from([1])]));
  const refused = await fetch('--images');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/installer\.iso is not what the record of build \S+ says\./);
  expect(readdirSync(join(folder, 'images')).filter((name) => name.includes('installer'))).toEqual([]);
  await rm(there);
  await writeFile(there, whole);

  const fetched = await fetch('--images', '--json');
  // The others were whole, and are not fetched again.
  expect([fetched.code, JSON.parse(fetched.stdout).images]).toEqual([0, [iso]]);
  for (const { path } of Object.values(images))
    expect(await sha256File(join(folder, path))).toBe(await sha256File(join(await buildDir(), path)));
  const commit = (await records(world))[0]?.['ostree-commit'];
  await run('ostree', [`--repo=${join(world.dir, 'work-elsewhere/repo')}`, 'ls', String(commit)]);
  expect((await world.nightly('fetch', id)).stderr).toContain('was made here');
});

test('the disk images share one sysroot: the commit is deployed once', async () => {
  const logs = TYPES.map((type) => join('logs', `image-${type}.log`));
  const deploys = await Promise.all(
    logs.map(
      async (log) => ((await readFile(join(await buildDir(), log), 'utf8')).match(/admin deploy /g) ?? []).length,
    ),
  );
  expect(deploys.reduce((sum, count) => sum + count, 0)).toBe(1);
});

test('"images" makes only what is missing or whose image type changed', async () => {
  const before = await times();
  await rm(join(await buildDir(), String(images['vagrant-libvirt']?.path)));
  const { stderr, code } = await world.nightly('images');
  expect(code, stderr).toBe(0);
  expect(await recorded()).toEqual(images);
  const after = await times();
  expect({ ...after, 'vagrant-libvirt': 0 }).toEqual({ ...before, 'vagrant-libvirt': 0 });
  expect(after['vagrant-libvirt']).not.toBe(before['vagrant-libvirt']);

  const type = join(world.dir, 'image-types/generic-cloud/image.yaml');
  const old = await readFile(type, 'utf8');
  await writeFile(type, `${old}kernel-arguments: [quiet]\n`);
  expect((await world.nightly('images')).code).toBe(0);
  const changed = await recorded();
  expect(changed['generic-cloud']?.sha256).not.toBe(images['generic-cloud']?.sha256);
  expect(changed['vagrant-virtualbox']).toEqual(images['vagrant-virtualbox']);
  await writeFile(type, old);
});

async function times(): Promise<Record<string, number>> {
  const entries = TYPES.map(async (type) => {
    const { mtimeMs } = await stat(join(await buildDir(), String(images[type]?.path)));
    return [type, mtimeMs] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Whether the journal of the only build says that a step started. */
function begun(step: string): boolean {
  const builds = join(world.dir, 'work/builds');
  const [id] = existsSync(builds) ? readdirSync(builds) : [];
  const path = join(builds, String(id), 'x86_64/journal.ndjson');
  return existsSync(path) && readFileSync(path, 'utf8').includes(`"event":"start","step":"${step}"`);
}

test.each(everyCase ? TYPES : (['iso'] as const))(
  'I4: SIGKILL while %s is made, then resume: the same bytes, and finished ones are kept',
  async (type) => {
    await restore(world, join(world.dir, 'snapshot'));
    const child = startCli(world.dir, ['nightly']);
    const ended = new Promise((resolve) => child.on('close', resolve));
    while (!begun(`image-${type}`)) await sleep(5);
    // Long enough to be in the middle of it.
    await sleep(1500);
    process.kill(-Number(child.pid), 'SIGKILL');
    await ended;
    const id = String((await records(world))[0]?.['buildid']);
    const finished = (await journal(world, id)).filter(
      ({ event, step }) => event === 'done' && step.startsWith('image-'),
    );
    const { stderr, code } = await world.nightly('resume');
    expect(code, stderr).toBe(0);
    for (const { step } of finished) expect(stderr).toMatch(new RegExp(`${step}: done in an earlier attempt`));
    expect(await recorded()).toEqual(images);
  },
);
