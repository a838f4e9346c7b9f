import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';

/** Files that keep a moment of the clock and compare it with the times of files. */
const WITH_FILES = [
  'engines/folder/scan-folder.ts',
  'engines/rpm-ostree/leftovers.ts',
  'service/files/files-app.ts',
  'targets/ssh/far-archive.ts',
];

test('I8: how long something takes is measured by a clock that nobody sets', async () => {
  const src = new URL('../../src', import.meta.url).pathname;
  const files = (await filesBelow(src)).filter((file) => file.endsWith('.ts'));
  const kept: string[] = [];
  for (const file of files) {
    const text = await readFile(join(src, file), 'utf8');
    // A variable, a property or an entry that is the time in milliseconds: to be compared with a later one.
    if (/(?:(?<!\bnow) = |since: |at: |begun: |started: |, )Date\.now\(\)\s*[;,})\]]/.test(text)) kept.push(file);
  }
  expect(kept).toEqual(WITH_FILES);
});
