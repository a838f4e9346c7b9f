import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { objectPath, parseDirTree, readCommit, readRef } from '../../src/ostree/objects.ts';
import { run } from '../../src/programs/exec.ts';
import { gvariantTime } from '../support/gvariant-time.ts';
import { commitTestTree, makeRepo, TEST_REF, TEST_TIME } from '../support/ostree-repo.ts';
import { temporaryFolder } from '../support/tmp.ts';

it('reads everything a commit records', async () => {
  const repo = await makeRepo(temporaryFolder());
  const parent = await commitTestTree({ repo, tree: { a: '1' } });
  const checksum = await commitTestTree({
    repo,
    tree: { a: '2', 'd/b': '3' },
    parent,
    timestamp: TEST_TIME + 60,
    version: '20260101_02',
    metadata: {
      'rpmostree.inputhash': "'abc'",
      'rpmostree.rpmdb.pkglist': "[('bash', '0', '5.2', '1', 'x86_64'), ('zlib', '1', '1.3', '2.el9', 'x86_64')]",
      'rpmostree.rpmmd-repos': `[{'id': <'base'>, 'timestamp': <${gvariantTime(1767000000)}>}]`,
    },
  });
  const info = await readCommit(repo, checksum);
  expect(info).toMatchObject({
    checksum,
    parent,
    timestamp: TEST_TIME + 60,
    subject: 'a test',
    version: '20260101_02',
    inputHash: 'abc',
    packages: [
      { name: 'bash', epoch: '0', version: '5.2', release: '1', arch: 'x86_64' },
      { name: 'zlib', epoch: '1', version: '1.3', release: '2.el9', arch: 'x86_64' },
    ],
    repoTimestamps: { base: 1767000000 },
    refBindings: [TEST_REF],
  });
  const root = parseDirTree(info.rootTree, await readFile(join(repo, objectPath(info.rootTree, 'dirtree'))));
  expect(root.files.map(({ name }) => name)).toEqual(['a']);
  expect(root.folders.map(({ name }) => name)).toEqual(['d']);
  expect(await readCommit(repo, parent)).not.toHaveProperty('parent');
});

it('reads refs, and tells an absent one', async () => {
  const repo = await makeRepo(temporaryFolder());
  const commit = await commitTestTree({ repo, tree: { a: '1' } });
  await run('ostree', [`--repo=${repo}`, 'refs', `--create=${TEST_REF}`, commit]);
  expect(await readRef(repo, TEST_REF)).toBe(commit);
  expect(await readRef(repo, 'no/such')).toBeUndefined();
});

it('refuses a damaged commit and says which is missing', async () => {
  const repo = await makeRepo(temporaryFolder());
  const commit = await commitTestTree({ repo, tree: { a: '1' } });
  await writeFile(join(repo, objectPath(commit, 'commit')), 'garbage');
  await expect(readCommit(repo, commit)).rejects.toMatchObject({
    code: 'ostree',
    message: expect.stringContaining('damaged'),
  });
  await expect(readCommit(repo, '0'.repeat(64))).rejects.toMatchObject({ code: 'not-found' });
});
