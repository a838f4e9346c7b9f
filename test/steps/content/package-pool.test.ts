import { existsSync } from 'node:fs';
import { link, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { prunePool } from '../../../src/steps/content/package-pool.ts';
import { temporaryFolder } from '../../support/tmp.ts';

it('I8: a package leaves the pool once no tag has it, no repository links to it, and its time is over', async () => {
  const dir = temporaryFolder();
  const pool = join(dir, 'pool');
  const [hour, later] = [3_600_000, Date.now() + 3_600_000];
  const sha = (letter: string) => letter.repeat(64);
  const path = (letter: string) => join(pool, 'unsigned', `${'0'.repeat(32)}-${sha(letter)}.rpm`);
  await mkdir(join(pool, 'unsigned'), { recursive: true });
  for (const letter of ['a', 'b', 'c']) await writeFile(path(letter), letter);
  await link(path('b'), join(dir, 'in-a-repository.rpm'));
  await writeFile(join(pool, 'unsigned', 'x.tmp'), 'cut short');
  await writeFile(join(pool, 'unsigned', 'somebody-elses-file'), 'x');
  const needed = new Set([sha('a')]);
  expect(await prunePool(pool, needed, Date.now() - hour)).toBe(0);
  expect(await prunePool(pool, needed, later)).toBe(2);
  expect(['a', 'b', 'c'].map((letter) => existsSync(path(letter)))).toEqual([true, true, false]);
  expect(existsSync(join(pool, 'unsigned', 'x.tmp'))).toBe(false);
  expect(existsSync(join(pool, 'unsigned', 'somebody-elses-file'))).toBe(true);
  expect(await prunePool(join(dir, 'no-such-pool'), needed, later)).toBe(0);
});
