import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder, makeFolderSync, withTemporaryFolder } from '../../src/base/files.ts';
import { mountTmpfs } from '../support/mounts.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** As a promise, so that both can be asked the same. */
const WAYS: readonly (readonly [string, (path: string) => Promise<unknown>])[] = [
  ['makeFolder', (path) => makeFolder(path)],
  ['makeFolderSync', async (path) => makeFolderSync(path)],
];

test.each(WAYS)('%s makes what is missing, and leaves what is there', async (_name, make) => {
  const dir = temporaryFolder();
  await make(join(dir, 'a/b/c'));
  await writeFile(join(dir, 'a/b/file'), 'x');
  await make(join(dir, 'a/b/c/'));
  await make(join(dir, 'a/b'));
  expect((await stat(join(dir, 'a/b/c'))).isDirectory()).toBe(true);
  expect(await readFile(join(dir, 'a/b/file'), 'utf8')).toBe('x');
  await symlink('a', join(dir, 'link'));
  await make(join(dir, 'link'));
  await make(join(dir, 'link/d'));
  expect((await stat(join(dir, 'a/d'))).isDirectory()).toBe(true);
});

test.each(WAYS)('K7: %s ends wherever nothing can be made', async (_name, make) => {
  const dir = temporaryFolder();
  await symlink('/nowhere/at/all', join(dir, 'dangling'));
  await writeFile(join(dir, 'file'), '');
  await symlink('circle', join(dir, 'circle'));
  await expect(make(join(dir, 'dangling'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(make(join(dir, 'dangling/x/y'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(make(join(dir, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(make(join(dir, 'file/x/y'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  await expect(make(join(dir, 'circle/x'))).rejects.toMatchObject({ code: 'ELOOP' });
  await expect(make('/proc/nothing/x')).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(make('')).rejects.toMatchObject({ code: 'ENOENT' });
});

test('makeFolder gives every folder it makes the mode, tells the topmost, and several may make the same ones', async () => {
  const dir = temporaryFolder();
  await mkdir(join(dir, 'a'));
  expect(await makeFolder(join(dir, 'a/b/c'), 0o700)).toBe(join(dir, 'a/b'));
  expect(await makeFolder(join(dir, 'a/b/c'))).toBe(undefined);
  for (const path of ['a/b', 'a/b/c']) expect((await stat(join(dir, path))).mode & 0o777).toBe(0o700);
  const many = Array.from({ length: 50 }, (_, index) => makeFolder(join(dir, 'x/y/z', String(index % 3))));
  await expect(Promise.all(many)).resolves.toHaveLength(50);
});

test('a temporary folder that cannot be removed hides no failure', async () => {
  const failing = withTemporaryFolder(async (folder) => {
    await mountTmpfs(join(folder, 'busy'), 'size=4k');
    throw new Error('the cause');
  }, temporaryFolder());
  await expect(failing).rejects.toThrow('the cause');
});
