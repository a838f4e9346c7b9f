import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { sshBed } from '../../support/target-beds.ts';
import { testTask } from '../../support/tmp.ts';

it('I1: what is sent in order is not seen before all that comes before it is there', async () => {
  const { dir, far, source, target } = await sshBed();
  const task = testTask(dir);
  const objects = ['repo/objects/aa/1.filez', 'repo/objects/aa/2.dirtree', 'repo/objects/bb/3.filez'];
  const last = ['repo/objects/cc/4.commit', 'repo/objects/cc/4.commitmeta'];
  for (const path of [...objects, ...last]) {
    await mkdir(dirname(join(source, path)), { recursive: true });
    await writeFile(join(source, path), path);
  }
  const groups = [
    { paths: objects, immutable: true },
    { paths: last, immutable: false },
  ];
  // Something in the way of one object, the last of its group.
  await mkdir(join(far, 'repo/objects'), { recursive: true });
  await writeFile(join(far, 'repo/objects/bb'), '');
  await expect(target.sendInOrder?.(source, groups, task)).rejects.toMatchObject({ code: expect.any(String) });
  for (const path of last) expect(existsSync(join(far, path)), path).toBe(false);

  await rm(join(far, 'repo/objects/bb'));
  const bytes = [...objects, ...last].join('').length;
  // The first two are there from before; what may be written again is always sent.
  expect(await target.sendInOrder?.(source, groups, task)).toEqual({
    files: 3,
    bytes: bytes - objects.slice(0, 2).join('').length,
  });
  for (const path of [...objects, ...last]) expect(await readFile(join(far, path), 'utf8')).toBe(path);
});
