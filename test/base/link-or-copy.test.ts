import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { linkOrCopy } from '../../src/base/link-or-copy.ts';

let here: string;
/** On another file system: memory, as a rule. */
let elsewhere: string;

beforeAll(async () => {
  here = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  elsewhere = await mkdtemp('/dev/shm/atomic-nightly-test-');
  await writeFile(join(here, 'from'), 'content');
  await utimes(join(here, 'from'), 1000, 2000);
});
afterAll(async () => {
  for (const folder of [here, elsewhere]) await rm(folder, { recursive: true, force: true });
});

it('gives a file a second name on the same file system', async () => {
  await linkOrCopy(join(here, 'from'), join(here, 'to'));
  expect((await stat(join(here, 'to'))).ino).toBe((await stat(join(here, 'from'))).ino);
  await expect(linkOrCopy(join(here, 'from'), join(here, 'to'))).rejects.toMatchObject({ code: 'EEXIST' });
});

it('copies it to another, with its times', async ({ skip }) => {
  if ((await stat(here)).dev === (await stat(elsewhere)).dev) skip('there is one file system only');
  const to = join(elsewhere, 'to');
  await linkOrCopy(join(here, 'from'), to);
  expect(await readFile(to, 'utf8')).toBe('content');
  expect((await stat(to)).mtimeMs).toBe(2_000_000);
  expect(existsSync(`${to}.part`)).toBe(false);
});

it('does not hide that there is no such file', async () => {
  await expect(linkOrCopy(join(here, 'nothing'), join(here, 'other'))).rejects.toMatchObject({ code: 'ENOENT' });
});
