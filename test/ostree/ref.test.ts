import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isRef } from '../../src/ostree/ref.ts';
import { run } from '../../src/programs/exec.ts';
import { commitTestTree, makeRepo } from '../support/ostree-repo.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** Whether ostree takes each as the name of a ref. */
async function ostreeTakes(refs: readonly string[]): Promise<boolean[]> {
  const repo = await makeRepo(temporaryFolder());
  const commit = await commitTestTree({ repo, tree: { a: '1' } });
  const taken: boolean[] = [];
  for (const ref of refs) {
    const { stderr } = await run('ostree', ['refs', `--repo=${repo}`, '--force', `--create=${ref}`, commit], {
      okExitCodes: [0, 1],
    });
    taken.push(!/Invalid ref/.test(stderr));
    await run('find', [`${repo}/refs/heads`, '-mindepth', '1', '-delete']);
  }
  return taken;
}

const word = fc
  .array(fc.constantFrom('a', 'Z', '0', '_', '.', '-', '..', '@', ' ', '+', '~', 'é', '\\', '*', '%'), { maxLength: 3 })
  .map((parts) => parts.join(''));
const ref = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join('/'));

it('a format is read by its owner’s rules: a ref is what ostree takes for one', async () => {
  const known = [
    'a',
    'name/x86_64/nightly',
    '.hidden/x',
    '-x/y',
    '..a/b',
    'a/../b',
    'a//b',
    'a/',
    '/a',
    'a/.b',
    'a.b-c_d',
  ];
  const refs = [...known, ...fc.sample(ref, 80)].filter((one) => one !== '');
  const ours = refs.map((one) => [one, isRef(one)]);
  const theirs = await ostreeTakes(refs);
  expect(ours).toEqual(refs.map((one, index) => [one, theirs[index]]));
  expect(theirs).toContain(true);
  for (const one of ['', 'a\n', 'a\nb', 'a\0']) expect(isRef(one)).toBe(false);
});
