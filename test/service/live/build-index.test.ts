import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildPaths } from '../../../src/build/build-store.ts';
import { changesText } from '../../../src/reports/pages/build-row.ts';
import { indexed, indexInBatches } from '../../../src/service/live/build-index.ts';
import { createFileCache } from '../../../src/service/live/file-cache.ts';
import { openWork } from '../../../src/service/live/work-folder.ts';
import { makePageBuilds } from '../../support/page-builds.ts';
import { temporaryFolder } from '../../support/tmp.ts';

test('the index keeps what lists need, however large a record is; a build’s own page has all of it', async () => {
  const builds = await makePageBuilds(temporaryFolder(), 12);
  const id = builds.ids[3] ?? '';
  const large = {
    ...builds.meta(id),
    pkgdiff: Array.from(
      { length: 5000 },
      (_, index) =>
        [
          `package-${index}`,
          (index % 4) as 0 | 1 | 2 | 3,
          { NewPackage: [`package-${index}`, '1-1', 'x86_64'] as const },
        ] as const,
    ),
    failures: [{ step: 'image-x', code: 'image', message: 'x'.repeat(100_000) }],
  };
  builds.write(large);
  const work = openWork(builds.config.work);
  const found = (await work.builds()).find(({ meta }) => meta.buildid === id);
  expect(changesText(found?.meta ?? large)).toBe(changesText(large));
  expect(changesText(large)).toContain('1250 upgraded');
  // Each change is one of four shared by all, and texts are gone: a few kilobytes of half a megabyte.
  expect(new Set(found?.meta.pkgdiff).size).toBe(4);
  const { changes, ...rest } = found?.meta ?? {};
  expect(JSON.stringify({ ...rest, pkgdiff: [] }).length).toBeLessThan(4000);
  // What is searched has a number of 4 bytes for each name, and versions as gzip leaves them.
  const { packages, lines } = changes ?? { packages: new Uint32Array(), lines: new Uint8Array() };
  expect((packages.byteLength + lines.length) / large.pkgdiff.length).toBeLessThan(5);
  expect((await work.build(id))?.meta).toEqual(large);
  for (const other of builds.ids.slice(4)) {
    expect(JSON.stringify(indexed(builds.meta(other))).length).toBeLessThan(4000);
  }
});

test('the first who asks does not wait for old builds, and others have their turn while those are read', async () => {
  const all = Array.from({ length: 2000 }, (_, index) => `build-${index}`);
  let [looked, open] = [0, () => {}];
  const gate = new Promise<void>((settle) => (open = settle));
  const rounds = indexInBatches(
    async () => all,
    async (id) => {
      looked += 1;
      if (Number(id.slice(6)) >= 60) await gate;
      return id;
    },
    10,
  );
  expect(await rounds.all()).toEqual(all.slice(0, 60));
  // Some at a time: no thousands of files are open at once.
  expect(looked).toBeLessThan(100);
  open();
  await expect.poll(async () => (await rounds.all()).length, { timeout: 20_000 }).toBe(2000);
  expect(await rounds.all()).toEqual(all);
});

test('whoever waits for all has all, in order; what is gone is gone, and what is new is there at once', async () => {
  let all = Array.from({ length: 200 }, (_, index) => `b${index}`);
  const rounds = indexInBatches(
    async () => all,
    async (id) => id,
    Number.POSITIVE_INFINITY,
  );
  expect(await rounds.all()).toEqual(all);
  all = ['new', ...all.filter((id) => id !== 'b150')];
  expect(await rounds.all()).toEqual(all);
});

test('a fault while old builds are read is told to who waits, and the next round goes on', async () => {
  let broken = true;
  const all = Array.from({ length: 100 }, (_, index) => `b${index}`);
  const look = async (id: string) => {
    if (broken && id === 'b90') throw new Error('the disk');
    return id;
  };
  const rounds = indexInBatches(async () => all, look, Number.POSITIVE_INFINITY);
  await expect(rounds.all()).rejects.toThrow('the disk');
  broken = false;
  expect(await rounds.all()).toEqual(all);
});

test('a file cache with a limit forgets what was asked for least recently, and is right all the same', async () => {
  const dir = temporaryFolder();
  const path = (name: string): string => join(dir, name);
  for (const name of ['a', 'b', 'c']) {
    writeFileSync(path(name), name.repeat(100));
    utimesSync(path(name), 1, 1);
  }
  const cache = createFileCache(async (one) => statSync(one).size, 250);
  for (const name of ['a', 'b', 'a', 'c', 'a']) expect(await cache.get(path(name))).toBe(100);
  expect(cache.reads).toBe(3);
  await cache.get(path('b'));
  expect(cache.reads).toBe(4);
  rmSync(path('a'));
  expect(await cache.get(path('a'))).toBeUndefined();
});

test('builds older than those that are looked at each time are listed and found', async () => {
  const builds = await makePageBuilds(temporaryFolder(), 150);
  const work = openWork(builds.config.work, { waitMs: 0 });
  expect((await work.build(builds.ids[0] ?? ''))?.meta).toEqual(builds.meta(builds.ids[0] ?? ''));
  await expect.poll(async () => (await work.builds()).length, { timeout: 20_000 }).toBe(152);
  const oldest = (await work.builds()).at(-1);
  expect(oldest?.paths).toEqual(buildPaths(builds.config.work, builds.ids[0] ?? '', 'x86_64'));
});

test('I15: as long as nothing changed, pages are made of the very list that was made before', async () => {
  const builds = await makePageBuilds(temporaryFolder(), 80);
  const [old = '', , changed = ''] = builds.ids;
  const work = openWork(builds.config.work);
  // What changed a moment ago may change again unseen, so it is read again.
  let first = await work.all();
  const isSame = async (): Promise<boolean> => {
    const before = first;
    first = await work.all();
    return first === before;
  };
  await expect.poll(isSame).toBe(true);
  expect(first.builds.some(({ meta }) => meta.buildid === old)).toBe(true);
  // One of the newest, which are looked at every time; then one that is not a record any more, and one that is gone.
  const newest = builds.ids.at(-1) ?? '';
  builds.write({ ...builds.meta(newest), stream: 'other' });
  const second = await work.all();
  expect(second).not.toBe(first);
  expect(second.builds.find(({ meta }) => meta.buildid === newest)?.meta.stream).toBe('other');
  const late = builds.ids.at(-2) ?? '';
  writeFileSync(buildPaths(builds.config.work, late, 'x86_64').meta, 'garbage');
  expect((await work.all()).damaged.map(({ id }) => id)).toEqual([late]);
  rmSync(join(builds.config.work, 'builds', changed), { recursive: true });
  expect((await work.all()).builds.some(({ meta }) => meta.buildid === changed)).toBe(false);
});
