import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { copyTreefile } from '../../src/treefile/copy.ts';
import { readTreefile, treefileJson } from '../../src/treefile/read.ts';
import { readRepoFiles } from '../../src/treefile/treefile-repos.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { writeFiles } from './files.ts';

const x86 = { basearch: 'x86_64' };

it('reads as the original did, when that has changed or is gone', async () => {
  const folder = await writeFiles({
    'host/host.yaml': { ref: 'x', repos: ['r'], include: '../common/base.yaml', 'add-files': [['motd', '/usr/motd']] },
    'host/motd': 'hello',
    'host/r.repo': '[r]\nbaseurl=https://example.org/\ngpgcheck=1\ngpgkey=KEY\n',
    'host/KEY': 'a key',
    'common/base.yaml': { packages: ['a'], 'postprocess-script': 'post.sh', 'add-files': [['motd', '/usr/other']] },
    'common/motd': 'another of that name',
    'common/post.sh': '#!/bin/sh\n',
  });
  await chmod(join(folder, 'host/motd'), 0o640);
  const treefile = await readTreefile(join(folder, 'host/host.yaml'), x86);
  const copy = join(temporaryFolder(), 'copy');
  const top = await copyTreefile(treefile, await readRepoFiles(treefile), copy);
  await rm(folder, { recursive: true });

  const again = await readTreefile(join(copy, top), x86);
  expect(again.digest).toBe(treefile.digest);
  expect(treefileJson(again)).toEqual(treefileJson(treefile));
  expect(again.files.every((path) => path.startsWith(copy))).toBe(true);
  expect((await readRepoFiles(again))[0]?.gpgkey).toEqual([`file://${join(copy, 'host/KEY')}`]);
});

it('names files by absolute paths where the treefile does, so that the digest tells when they change', async () => {
  const folder = await writeFiles({ 'outside/motd': 'hello' });
  const outside = join(folder, 'outside/motd');
  await writeFiles({ 'in/host.yaml': { ref: 'x', packages: [], 'add-files': [[outside, '/usr/motd']] } }, folder);
  const treefile = await readTreefile(join(folder, 'in/host.yaml'), x86);
  const copy = join(temporaryFolder(), 'copy');
  const top = await copyTreefile(treefile, [], copy);
  expect((await readTreefile(join(copy, top), x86)).digest).toBe(treefile.digest);
  await writeFile(outside, 'changed');
  expect((await readTreefile(join(copy, top), x86)).digest).not.toBe(treefile.digest);
});
