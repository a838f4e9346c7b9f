import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { takeRunLock } from '../../src/run/run-lock.ts';
import { makePageBuilds, type PageBuilds } from '../support/page-builds.ts';
import { sharedFolder } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

const dir = sharedFolder();
const work = join(dir, 'work');
let builds: PageBuilds;

/** Bytes of each file that is written here. */
const BYTES = 40_000;
const COMMIT = 'c'.repeat(64);

async function write(path: string, days = 0): Promise<void> {
  const file = join(work, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, Buffer.alloc(BYTES, 1));
  const then = Date.now() / 1000 - days * 86_400;
  await utimes(file, then, then);
}

const gc = (...args: readonly string[]) => runCli(dir, ['gc', ...args]);

/** The paths that a run of `gc --json` names, each with its kind. */
async function named(...args: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await gc('--json', ...args);
  expect([code, stderr.includes('error')]).toEqual([0, false]);
  const { items } = JSON.parse(stdout) as { items: { kind: string; path: string; bytes: number }[] };
  expect(items.every(({ bytes }) => bytes >= BYTES)).toBe(true);
  return items.map(({ kind, path }) => `${kind} ${path}`).sort();
}

let [oldest, failed, newest, kept, garbage]: [string, string, string, string[], string[]] = ['', '', '', [], []];

beforeAll(async () => {
  builds = await makePageBuilds(dir, 14);
  const config = await readFile(builds.config.path, 'utf8');
  await writeFile(
    builds.config.path,
    config.replace('targets: [buildlogs]', 'targets: [buildlogs]\n    retention: {builds: 5}'),
  );
  [oldest, failed, newest] = [builds.ids[0] ?? '', builds.ids[2] ?? '', builds.ids[13] ?? ''];
  // One that failed long ago, and is replaced; and the newest, which "resume" continues.
  for (const id of [failed, newest]) await rm(join(work, 'builds', id, 'x86_64/journal.ndjson'));
  kept = [
    `scratch/${newest}/sysroot/file`,
    `builds/${newest}/x86_64/images/.half.qcow2.part`,
    `builds/${builds.ids[12]}/x86_64/images/disk.qcow2`,
    `builds/${failed}/x86_64/images/disk.qcow2`,
    `builds/${oldest}/x86_64/logs/compose.log`,
    'cache/nightly/rpms/1/bash-5.13-1.el9.x86_64.rpm',
    'cache/repositories/base.json',
    `notify/mail/now.json.12.1.tmp`,
    'repo/objects/aa/one.filez',
    'rebuild/roots/0123456789abcdef/tree/etc/passwd',
  ];
  for (const path of kept) await write(path);
  await write(`builds/${oldest}/x86_64/images/disk.qcow2`);
  await write(`scratch/${failed}/file`);
  await write('scratch/dry-run/file');
  await write('cache/nightly/rpms/2/old-1-1.noarch.rpm');
  await write('cache/forgotten/repo/config');
  await write(`builds/${builds.ids[12]}/x86_64/meta.json.4711.2.tmp`, 2);
  await write(`rebuild/roots/${COMMIT}/tree/etc/passwd`);
  garbage = [
    `build-root rebuild/roots/${COMMIT}`,
    'cache cache/forgotten',
    `images builds/${oldest}/x86_64/images`,
    'packages cache/nightly',
    'scratch scratch/dry-run',
    `scratch scratch/${failed}`,
    `unfinished builds/${builds.ids[12]}/x86_64/meta.json.4711.2.tmp`,
  ].sort();
});

/** Those of the paths that are not there. */
const missing = (paths: readonly string[]) => paths.filter((path) => !existsSync(join(work, path)));

test('a dry run names what can go, and changes nothing', async () => {
  expect(await named('--dry-run')).toEqual(garbage);
  const { stdout } = await gc('--dry-run');
  expect(stdout).toMatch(/^WHAT +FREES +PATH +WHY\nscratch +\S+ kB +scratch/);
  expect(stdout).toMatch(/\nWould free \S+ kB\.\n$/);
  expect(missing([...kept, ...garbage.map((line) => line.replace(/^\S+ /, ''))])).toEqual([]);
});

test('another run is not disturbed', async () => {
  const lock = await takeRunLock(work, 'nightly');
  try {
    expect((await gc()).code).toBe(11);
  } finally {
    await lock.release();
  }
});

test('I4, I8: one that is stopped is continued by the next; what a resume needs, records and logs stay', async () => {
  const bin = join(dir, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'rm'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const stopped = await runCli(dir, ['gc'], { PATH: `${bin}:${process.env['PATH']}` });
  expect(stopped.code).toBe(1);
  // The first lost its name, and is found among the work files.
  expect(await named('--dry-run')).toHaveLength(garbage.length);
  expect((await gc()).stdout).toMatch(/\nFreed \S+ kB\.\n$/);
  expect((await gc()).stdout).toBe('Nothing can go.\n');
  expect(missing(kept)).toEqual([]);
  const records = builds.ids.map((id) => `builds/${id}/x86_64/meta.json`);
  expect(missing(records)).toEqual([]);
  expect(existsSync(join(work, 'cache/nightly/rpms/2'))).toBe(false);
});
