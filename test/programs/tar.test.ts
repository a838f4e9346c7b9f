import { existsSync } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeTar } from '../../src/programs/tar.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

test('a member of 8 GiB is refused with its name, before anything is written', async () => {
  const folder = temporaryFolder();
  await writeFile(join(folder, 'large'), '');
  await truncate(join(folder, 'large'), 8 * 1024 ** 3);
  const archive = join(folder, 'archive.tar');
  await expect(
    makeTar({ archive, folder, members: ['large'], timestamp: 0, gzip: false }, testTask(folder)),
  ).rejects.toMatchObject({ code: 'image', message: expect.stringContaining('large has 8589934592 bytes') });
  expect(existsSync(archive)).toBe(false);
});
