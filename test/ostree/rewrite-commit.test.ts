import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256, writeFileAtomic } from '../../src/base/files.ts';
import { localObjects, objectPath, readCommit } from '../../src/ostree/objects.ts';
import { rewriteCommit } from '../../src/ostree/rewrite-commit.ts';
import { diffTrees, type PathChange } from '../../src/ostree/tree-diff.ts';
import { run } from '../../src/programs/exec.ts';
import { commitTestTree, makeRepo } from '../support/ostree-repo.ts';
import { temporaryFolder } from '../support/tmp.ts';

it('gives a commit of the same tree that ostree reads, with what was changed and all else as it was', async () => {
  const repo = await makeRepo(temporaryFolder());
  const tree = { 'usr/a': '1', 'usr/deep/b': '2' };
  const metadata = { numbers: 'int64 7', list: "['x', 'y']", nested: "{'k': <uint32 3>}", gone: "'bye'" };
  const commit = await commitTestTree({ repo, tree, version: '20260101_01', metadata });
  const bytes = await readFile(join(repo, objectPath(commit, 'commit')));
  const { parent, timestamp } = await readCommit(repo, commit);
  expect(parent).toBeUndefined();
  // Nothing changed gives the same bytes, so the encoding is ostree's own.
  expect(sha256(rewriteCommit(bytes, { parent, timestamp, metadata: {} }))).toBe(commit);

  const next = rewriteCommit(bytes, {
    ...{ parent: commit, timestamp: timestamp + 5 },
    metadata: { version: { type: 's', value: '20260102_01' }, gone: undefined, added: { type: 's', value: 'yes' } },
  });
  const checksum = sha256(next);
  await writeFileAtomic(join(repo, objectPath(checksum, 'commit')), next);
  const show = async (of: string, ...args: string[]) =>
    (await run('ostree', [`--repo=${repo}`, 'show', ...args, of])).stdout;
  const content = /ContentChecksum: +(\w+)/;
  expect(content.exec(await show(checksum))?.[1]).toBe(content.exec(await show(commit))?.[1]);
  expect(await show(checksum)).toContain(`Parent:  ${commit}`);
  const value = (of: string, key: string) => show(of, `--print-metadata-key=${key}`);
  expect(await value(checksum, 'version')).toBe("'20260102_01'\n");
  expect(await value(checksum, 'added')).toBe("'yes'\n");
  for (const key of ['numbers', 'list', 'nested', 'ostree.ref-binding']) {
    expect(await value(checksum, key)).toBe(await value(commit, key));
  }
  await expect(value(checksum, 'gone')).rejects.toThrow();
  await run('ostree', [`--repo=${repo}`, 'refs', '--create=x', checksum]);
  await run('ostree', [`--repo=${repo}`, 'fsck', '--quiet']);
});

it('tells the paths in which two trees differ', async () => {
  const repo = await makeRepo(temporaryFolder());
  const from = await commitTestTree({ repo, tree: { 'same/x': '1', 'usr/a': '1', 'usr/b': '1', 'old/deep/c': '1' } });
  const to = await commitTestTree({ repo, tree: { 'same/x': '1', 'usr/a': '2', 'usr/new': '1', 'more/d': '1' } });
  const changes: PathChange[] = [];
  for await (const change of diffTrees(from, to, localObjects(repo))) changes.push(change);
  const lines = changes.map(({ kind, path }) => `${kind} ${path}`).sort();
  expect(lines).toEqual(['added /more/d', 'added /usr/new', 'changed /usr/a', 'removed /old/deep/c', 'removed /usr/b']);
  const none: PathChange[] = [];
  for await (const change of diffTrees(to, to, localObjects(repo))) none.push(change);
  expect(none).toEqual([]);
  await expect(diffTrees(from, 'f'.repeat(64), localObjects(repo)).next()).rejects.toMatchObject({ code: 'ostree' });
});
