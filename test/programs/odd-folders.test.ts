import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pullLocal } from '../../src/programs/ostree.ts';
import { identifyRpms, queryRpms } from '../../src/programs/rpm.ts';
import { readHeaders } from '../../src/programs/rpm-installed.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { commitTestTree, makeRepo } from '../support/ostree-repo.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

/** Jenkins has %2F in the names of its workspaces. */
const ODD = ['feature%2Fx', "it's", 'a "b"', 'back\\slash', 'a[b]', '{a,b}', '*?', '-x', ' é ', 'a\\ b'];

test('rpm reads the very files, whatever their folders are called', async () => {
  const dir = temporaryFolder();
  const [home, task] = [join(dir, 'home'), testTask(dir)];
  await mkdir(home);
  const files: string[] = [];
  for (const [index, name] of ODD.entries()) {
    const file = join(dir, name, 'x.rpm');
    await mkdir(join(dir, name));
    await copyFile(await buildMiniRpm({ name: 'odd', version: `${index}`, release: '1', files: [] }), file);
    files.push(file);
  }
  const wanted = files.map((path, index) => ({ path, name: 'odd', version: `${index}` }));
  expect(await identifyRpms(files, home, task)).toMatchObject(wanted);
  expect(await queryRpms(files, home, task)).toMatchObject(wanted);
  expect((await readHeaders(files, home, task)).map(({ version }) => version)).toEqual(
    wanted.map(({ version }) => version),
  );
});

test.each(['feature%2Fx', '100%', 'a b', '#1', 'why?'])(
  'ostree copies a commit from a repository below a folder "%s"',
  async (name) => {
    const dir = temporaryFolder();
    await mkdir(join(dir, name));
    const [from, to] = [await makeRepo(join(dir, name)), await makeRepo(join(dir))];
    const commit = await commitTestTree({ repo: from, tree: { 'a/b': '1' } });
    await pullLocal({ from, to, commit }, testTask(dir));
    await expect(pullLocal({ from: to, to: from, commit }, testTask(dir))).resolves.toBeUndefined();
  },
);
