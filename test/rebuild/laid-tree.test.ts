import { readFileSync } from 'node:fs';
import { appendFile, chmod, mkdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type LaidTree, recallTree, rememberTree } from '../../src/rebuild/laid-tree.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

async function laidTree(): Promise<{ here: string; at: (path: string) => string; laid: LaidTree }> {
  const here = temporaryFolder();
  const at = (path: string): string => join(here, 'tree', path);
  await mkdir(at('usr/bin'), { recursive: true });
  await writeFile(at('usr/bin/gcc'), 'compiler');
  await writeFile(at('usr/bin/ld'), 'linker');
  await symlink('gcc', at('usr/bin/cc'));
  return { here, at, laid: await rememberTree(here, testTask(here)) };
}

it('what was laid out is read once', async () => {
  const { here, laid } = await laidTree();
  expect(laid.entries.map(({ path }) => path)).toEqual(['usr', 'usr/bin', 'usr/bin/cc', 'usr/bin/gcc', 'usr/bin/ld']);
  expect(await recallTree(here)).toEqual(laid);
  // Another digest on record is believed: the file was not read.
  const record = join(here, 'tree.json');
  const gcc = laid.entries.find(({ path }) => path === 'usr/bin/gcc');
  if (gcc?.kind !== 'file') throw new Error('there is no gcc');
  await writeFile(record, readFileSync(record, 'utf8').replace(gcc.sha256, 'a'.repeat(64)));
  expect((await recallTree(here))?.entries).toContainEqual({
    ...gcc,
    sha256: 'a'.repeat(64),
    object: expect.any(String),
  });
});

it.each<readonly [string, (at: (path: string) => string) => Promise<unknown>]>([
  ['a file of another length', (at) => appendFile(at('usr/bin/gcc'), 'x')],
  [
    'a file of the same length and time',
    async (at) => {
      const { atime, mtime } = await stat(at('usr/bin/gcc'));
      await writeFile(at('usr/bin/gcc'), 'COMPILER');
      await utimes(at('usr/bin/gcc'), atime, mtime);
    },
  ],
  ['another mode', (at) => chmod(at('usr/bin/ld'), 0o4755)],
  ['another mode of a folder', (at) => chmod(at('usr'), 0o777)],
  ['a file more', (at) => writeFile(at('usr/bin/as'), 'assembler')],
  ['a file less', (at) => rm(at('usr/bin/ld'))],
  [
    'a link that leads elsewhere',
    async (at) => {
      await rm(at('usr/bin/cc'));
      await symlink('ld', at('usr/bin/cc'));
    },
  ],
  ['no tree', (at) => rm(at(''), { recursive: true })],
  ['a damaged record', (at) => writeFile(at('../tree.json'), '{"tree-version": 1')],
])('%s: it is laid out anew', async (_, change) => {
  const { here, at } = await laidTree();
  await change(at);
  expect(await recallTree(here)).toBeUndefined();
});
