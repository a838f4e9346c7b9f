import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readTestFolder } from '../../../src/boot/guest-tests/test-folder.ts';
import { loadImageTemplate } from '../../../src/images/template/load-template.ts';
import { run } from '../../../src/programs/exec.ts';
import { fetchBytes } from '../../../src/rpm/download.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

const program = (folder: string) => writeFileSync(join(folder, 'a'), '#!/bin/sh\n', { mode: 0o755 });
const fifo = (path: string) => run('mkfifo', ['-m', '755', path]);
const notUtf8 = (folder: string) =>
  run('sh', ['-c', 'mkdir -p "$1"; f=$(printf "$1/b\\377"); printf x > "$f"; chmod 755 "$f"', 'sh', folder]);

it.each<[string, (folder: string) => unknown, string]>([
  ['a link that leads to nothing', (dir) => symlinkSync('nowhere', join(dir, 'a')), '"a" leads to nothing'],
  [
    'a link that leads to itself',
    (dir) => symlinkSync('a', join(dir, 'a')),
    '"a" cannot be read: too many symbolic links',
  ],
  [
    'a link to a folder',
    (dir) => symlinkSync('/etc', join(dir, 'a')),
    '"a" cannot be read: illegal operation on a directory',
  ],
  ['a pipe', (dir) => fifo(join(dir, 'a')), '"a" cannot be read'],
  ['a declaration that is a pipe', (dir) => [program(dir), fifo(join(dir, 'a.yaml'))][1], '"a.yaml" cannot be read'],
  [
    'a declaration without an end',
    (dir) => [program(dir), symlinkSync('/dev/zero', join(dir, 'a.yaml'))],
    '"a.yaml" cannot be read',
  ],
  [
    'a declaration that leads to nothing',
    (dir) => [program(dir), symlinkSync('x', join(dir, 'a.yaml'))],
    '"a.yaml" leads to',
  ],
  ['a name that is not UTF-8', (dir) => notUtf8(dir), 'not UTF-8'],
  ['data with such a name', (dir) => notUtf8(join(dir, 'data')), 'not UTF-8'],
])('I7, I12: a folder of tests with %s is named, and nothing waits', async (_, make, words) => {
  const folder = temporaryFolder();
  await make(folder);
  await expect(readTestFolder(folder)).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining(words),
  });
});

it('I7: an image type that is a pipe, and a repository with one, are refused at once', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'own'));
  await fifo(join(folder, 'own/image.yaml'));
  await expect(loadImageTemplate('own', folder, {})).rejects.toThrow('is a FIFO or a device');
  await expect(fetchBytes(`file://${folder}/own/image.yaml`, testTask(folder))).rejects.toThrow(
    'is a FIFO or a device',
  );
});
