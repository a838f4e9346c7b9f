import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { treeSize } from '../../src/ostree/tree-size.ts';
import { commitTestTree, makeRepo, testTree } from '../support/ostree-repo.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

test('the size of a tree is that of its objects, whatever the commit before it had', async () => {
  const dir = temporaryFolder();
  const repo = await makeRepo(dir);
  const first = await commitTestTree({ repo, tree: testTree(20) });
  const objects = (await filesBelow(join(repo, 'objects'))).filter((path) => !path.endsWith('.commitmeta'));
  const sizes = await Promise.all(objects.map(async (path) => (await stat(join(repo, 'objects', path))).size));
  const size = { objects: objects.length, bytes: sizes.reduce((sum, one) => sum + one, 0) };
  expect(await treeSize(repo, first, testTask(dir))).toEqual(size);
  const second = await commitTestTree({ repo, tree: { ...testTree(20), 'usr/d0/new': 'more\n' }, parent: first });
  expect((await treeSize(repo, second, testTask(dir))).objects).toBe(size.objects + 1);
});
