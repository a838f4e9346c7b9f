import { readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { makeFolderWorld } from '../support/folder-world.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { program } from '../support/world.ts';

test('I10: the tree and what is published are the same under any umask', async () => {
  const contents: string[] = [];
  for (const mask of ['022', '077', '002']) {
    const dir = temporaryFolder();
    const world = await makeFolderWorld(dir, '{type: command, command: [./make], inputs: {files: [make]}}');
    onTestFinished(() => world.stop());
    const lines = ['#!/bin/sh', 'set -e', 'mkdir -p "$ATOMIC_ROOT/usr/lib/x"', 'echo 1 >"$ATOMIC_ROOT/usr/lib/x/y"'];
    await writeFile(join(dir, 'make'), `${lines.join('\n')}\n`);
    await chmod(join(dir, 'make'), 0o755);
    const { stdout } = await run(
      'sh',
      ['-c', `umask ${mask}; exec "$0" "$@"`, process.execPath, program, 'nightly', '--json'],
      {
        cwd: dir,
      },
    );
    const { build } = JSON.parse(stdout);
    const meta = readFileSync(join(dir, 'work/builds', build, 'x86_64/meta.json'), 'utf8');
    contents.push(JSON.parse(meta)['ostree-content-checksum']);
    // What is only for this program: a folder, and a lock that others could hold if they could read it (I15).
    const own = ['(', '-name', '.atomic-nightly', '-o', '-name', '.atomic-nightly.lock', ')'];
    const published = [join(dir, 'published'), ...own, '-prune', '-o'];
    const hidden = await run('find', [...published, '!', '-type', 'l', '!', '-perm', '-o=r', '-print']);
    const noWay = await run('find', [...published, '-type', 'd', '!', '-perm', '-o=x', '-print']);
    expect(hidden.stdout + noWay.stdout).toBe('');
  }
  expect(new Set(contents).size).toBe(1);
});
