import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listFolder, readText } from '../../src/programs/debugfs.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

test('I9: no name hides a file from whoever reads an image, and each can be read', async () => {
  const dir = temporaryFolder();
  const names = [
    'plain',
    'two\nlines',
    '\n',
    'ends\n',
    'sp ace',
    'q"uote',
    "apos'",
    'back\\slash',
    '/1/2/'.replaceAll('/', '|'),
    'é',
  ];
  mkdirSync(join(dir, 'root/fol\nder'), { recursive: true });
  for (const name of names) writeFileSync(join(dir, 'root/fol\nder', name), `text of ${name}`);
  const file = join(dir, 'ext4');
  await run('mkfs.ext4', ['-q', '-d', join(dir, 'root'), file, '4M']);
  const fs = { file, offsetBytes: 0 };
  const task = testTask(dir);
  expect((await listFolder(fs, '/', task))?.map(({ name }) => name).sort()).toEqual(['fol\nder', 'lost+found']);
  const found = (await listFolder(fs, '/fol\nder', task)) ?? [];
  expect(found.map(({ name }) => name).sort()).toEqual(names.toSorted());
  for (const { name, type, size } of found) {
    expect([type, size]).toEqual(['file', Buffer.byteLength(`text of ${name}`)]);
    expect(await readText(fs, `/fol\nder/${name}`, task)).toBe(`text of ${name}`);
  }
  expect(await listFolder(fs, '/none', task)).toBeUndefined();
});
