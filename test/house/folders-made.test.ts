import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';

test('K7: folders are made by makeFolder alone', async () => {
  const src = new URL('../../src', import.meta.url).pathname;
  const files = (await filesBelow(src)).filter((file) => file.endsWith('.ts'));
  const recursive: string[] = [];
  for (const file of files)
    if (/\bmkdir(Sync)?\([^;]*\brecursive\b/.test(await readFile(join(src, file), 'utf8'))) recursive.push(file);
  expect(recursive).toEqual([]);
});
