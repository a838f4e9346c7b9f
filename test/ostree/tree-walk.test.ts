import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { localObjects, type ReadObject } from '../../src/ostree/objects.ts';
import { walkNew } from '../../src/ostree/tree-walk.ts';
import { run } from '../../src/programs/exec.ts';
import { commitTestTree, makeRepo, type TestTree, testTree } from '../support/ostree-repo.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** Every object of a commit as ostree itself copies it: the set the walk is measured against. */
async function objectsOf(repo: string, commit: string, into: string): Promise<Set<string>> {
  await run('ostree', [`--repo=${into}`, 'init', '--mode=archive']);
  await run('ostree', [`--repo=${into}`, 'pull-local', '--disable-fsync', '--depth=0', repo, commit]);
  const paths = await readdir(join(into, 'objects'), { recursive: true });
  return new Set(paths.filter((path) => path.includes('.')).map((path) => `objects/${path}`));
}

async function walked(repo: string, next: string, old: string | undefined, counter = { reads: 0 }): Promise<string[]> {
  const local = localObjects(repo);
  const read: ReadObject = (...args) => {
    counter.reads += 1;
    return local(...args);
  };
  const paths: string[] = [];
  for await (const { path } of walkNew(next, old, { readNew: read, readOld: read })) paths.push(path);
  return paths;
}

/** Small names and contents, so that files and folders often move, repeat, vanish or swap places. */
const tree: fc.Arbitrary<TestTree> = fc
  .dictionary(
    fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
      .map((parts) => [...parts, 'file'].join('/')),
    fc.constantFrom('1', '2', '3', '4'),
    { maxKeys: 12 },
  )
  .map((files) => ({ ...files, 'a/always': '' }));

describe('walkNew', () => {
  it('I1: misses no object that the old commit lacks, names none that the new one has not, each once', async () => {
    const dir = temporaryFolder();
    const repo = await makeRepo(dir);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(tree, tree, async (before, after) => {
        run += 1;
        const old = await commitTestTree({ repo, tree: before });
        const next = await commitTestTree({ repo, tree: after, parent: old, version: String(run) });
        const paths = await walked(repo, next, old);
        const had = await objectsOf(repo, old, join(dir, `old-${run}`));
        const has = await objectsOf(repo, next, join(dir, `new-${run}`));
        const sent = new Set(paths);
        expect(sent.size).toBe(paths.length);
        for (const path of has) if (!had.has(path)) expect(sent).toContain(path);
        for (const path of sent) expect(has).toContain(path);
      }),
      { numRuns: 8 },
    );
  });

  it('names every object of a first commit, the commit last', async () => {
    const dir = temporaryFolder();
    const repo = await makeRepo(dir);
    const commit = await commitTestTree({ repo, tree: testTree(20) });
    const paths = await walked(repo, commit, undefined);
    expect(new Set(paths)).toEqual(await objectsOf(repo, commit, join(dir, 'copy')));
    expect(paths.at(-1)).toContain('.commit');
    expect(await walked(repo, commit, commit)).toEqual([]);
  });

  it('reads no more when the repository is larger', async () => {
    const repo = await makeRepo(temporaryFolder());
    const cost = async (files: number): Promise<{ reads: number; objects: number }> => {
      const before = testTree(files, files / 5);
      const old = await commitTestTree({ repo, tree: before });
      const next = await commitTestTree({ repo, tree: { ...before, 'usr/d1/e1/f1': 'changed' }, parent: old });
      const counter = { reads: 0 };
      return { objects: (await walked(repo, next, old, counter)).length, reads: counter.reads };
    };
    const small = await cost(50);
    expect(await cost(400)).toEqual(small);
    // Two commits, and root, usr, d1, e1 of each; a file, four dirtrees and a commit to send.
    expect(small).toEqual({ reads: 10, objects: 6 });
  });

  it('refuses a commit that is not whole', async () => {
    const repo = await makeRepo(temporaryFolder());
    const commit = await commitTestTree({ repo, tree: { 'a/b': '1' } });
    const local = localObjects(repo);
    const readNew: ReadObject = async (checksum, type) => (type === 'dirtree' ? undefined : local(checksum, type));
    const walk = walkNew(commit, undefined, { readNew, readOld: local });
    await expect(walk.next()).rejects.toMatchObject({ code: 'ostree' });
  });
});
