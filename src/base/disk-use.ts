import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from './files.ts';

/** Bytes of a block of `st_blocks`, whatever the file system (stat(2)). */
const BLOCK = 512;

/**
 * Returns the bytes that are free once a file or folder is gone: of a file that has another name, none. What is not there has
 * none either.
 */
export async function diskUse(path: string): Promise<number> {
  const found = await ifThere(lstat(path));
  if (!found) return 0;
  const own = found.isDirectory() || found.nlink === 1 ? found.blocks * BLOCK : 0;
  if (!found.isDirectory()) return own;
  let sum = own;
  for (const name of (await ifThere(readdir(path))) ?? []) sum += await diskUse(join(path, name));
  return sum;
}
