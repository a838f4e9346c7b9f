import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';

/** Mounts a tmpfs with these options on a folder, until the running test ends. Needs root, as the tests have. */
export async function mountTmpfs(path: string, options: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
  onTestFinished(async () => {
    await run('umount', ['--lazy', path]);
  });
}

/** Leaves no byte free on the file system of a folder. */
export function fillDisk(folder: string): void {
  const file = openSync(join(folder, 'filler'), 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(1024));
  } catch {
    closeSync(file);
  }
}

/** A folder that not even root can write to: modes do not stop root, a read-only file system does. */
export async function readOnlyFolder(dir: string): Promise<string> {
  const path = join(dir, 'read-only');
  await mountTmpfs(path, 'ro,size=64k');
  return path;
}
