import { lchown, lstat } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';
import { bytesInTree, replaceInTree } from '../base/tree-files.ts';

/**
 * Adds lines to the end of a file of a tree whose files are hard links to another's: it is replaced, and keeps owner and mode.
 * @param name how people know the file, for messages
 * @throws NightlyError `image` when there is no such file
 */
export async function addToFile(path: string, content: string | Uint8Array, name: string): Promise<void> {
  const before = await bytesInTree(path);
  if (before === undefined) {
    throw new NightlyError('image', `The tree has no ${name} to add to.`, {
      hint: 'Leave out "append" in image.yaml to replace the file, or add the package that contains it to the treefile.',
    });
  }
  await rewriteFile(path, withLines(before, content));
}

/** Returns a file's content with lines at its end. A last line without an end gets one first. */
export function withLines(before: Buffer, lines: string | Uint8Array): Buffer {
  const end = before.length === 0 || before.at(-1) === 0x0a ? '' : '\n';
  return Buffer.concat([before, Buffer.from(end), Buffer.from(lines)]);
}

/** Replaces a file of such a tree, which keeps owner and mode. */
export async function rewriteFile(path: string, content: Uint8Array): Promise<void> {
  const { uid, gid, mode } = await lstat(path);
  await replaceInTree(path, content, mode & 0o7777);
  await lchown(path, uid, gid);
}
