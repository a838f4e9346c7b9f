import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';

const source = new URL('../../src/', import.meta.url).pathname;

/** Has `readNamed`, for what a person named on the command line or in the configuration: that may well be a pipe; and a sink's secret. */
const NAMED_BY_PEOPLE = ['base/files.ts', 'reports/notify/sink.ts'];

it('I7: records are read by what waits for no FIFO and reads no device (openRegular of src/base/files.ts)', async () => {
  const found: string[] = [];
  for (const file of (await filesBelow(source)).filter((one) => one.endsWith('.ts'))) {
    const text = await readFile(join(source, file), 'utf8');
    const isRecord = /^(build|published)\//.test(file) && /\breadFile(Sync)?\(/.test(text);
    // Whoever keeps templates, tests and repositories in a folder may leave a pipe there.
    const ownFolder = /^(boot\/guest-tests|images\/template|reports|treefile\/(treefile-repos|externals))/.test(file);
    const isOwn = ownFolder && /\breadFile\((?!templatePath|join\(SHIPPED)/.test(text);
    if (isRecord || isOwn || /\bifThere\(\s*readFile\(/.test(text)) found.push(file);
  }
  expect(found.sort()).toEqual(NAMED_BY_PEOPLE);
});
