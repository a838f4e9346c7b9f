import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withPlainPaths } from '../../src/targets/plain-paths.ts';
import type { Target, TargetFile } from '../../src/targets/target.ts';
import { directoryBed, KINDS } from '../support/target-beds.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const OUTSIDE = [
  '../guard/file',
  '/etc/hostname',
  'a/../../guard/file',
  'builds/./x',
  'builds//x',
  '..',
  'a\nb',
  'a\0b',
  'a\u001b[31mb',
  'a\u009bb',
];

describe.each(KINDS)('I12: a target of type %s does nothing outside its root', (_, open) => {
  it('whatever paths it is given', async () => {
    const { dir, source, target } = await open();
    const task = testTask(dir);
    await mkdir(join(dir, 'guard'));
    await writeFile(join(dir, 'guard/file'), 'untouched');
    const refused = { code: 'unsupported', message: expect.stringContaining('is not a path on target') };
    for (const path of [...OUTSIDE, '']) {
      await expect(target.read(path, task)).rejects.toMatchObject(refused);
      await expect(target.readMany(['builds/x', path], task)).rejects.toMatchObject(refused);
      await expect(target.remove([path], task)).rejects.toMatchObject(refused);
      await expect(target.send(source, [path], { immutable: false }, task)).rejects.toMatchObject(refused);
      const content = Buffer.from('x');
      await expect(target.swap({ expect: [], put: [{ path, content }] }, task)).rejects.toMatchObject(refused);
      await expect(target.swap({ expect: [{ path, content }], put: [] }, task)).rejects.toMatchObject(refused);
      if (path === '') continue;
      await expect(target.list(path, task)[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused);
    }
    expect(await readFile(join(dir, 'guard/file'), 'utf8')).toBe('untouched');
  });
});

/** What is listed of a folder when the far side answers with these names. */
async function listed(...paths: string[]): Promise<string[]> {
  const { target } = await directoryBed();
  const far: Target = {
    ...target,
    async *list(): AsyncGenerator<TargetFile> {
      for (const path of paths) yield { path, bytes: 1 };
    },
  };
  const found: string[] = [];
  for await (const { path } of withPlainPaths(far).list('builds', testTask(temporaryFolder()))) found.push(path);
  return found;
}

it('I12: a listing that names what is outside the folder is no listing', async () => {
  for (const path of ['../guard/file', 'builds/../guard', '/etc/hostname', 'repo/x', 'builds'])
    await expect(listed('builds/a', path)).rejects.toMatchObject({ code: 'unsupported' });
});

it("a name with control characters in a listing is nobody's of ours: it ends nothing, and is neither counted nor removed", async () => {
  expect(await listed('builds/a', 'builds/b\nc', 'builds/d')).toEqual(['builds/a', 'builds/d']);
});
