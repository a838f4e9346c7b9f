import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { namesIn, readInTree } from '../../base/tree-files.ts';
import { type Ext4InFile, listFolder, readText } from '../../programs/debugfs.ts';

/** A file system to look at, by absolute paths in it. */
export interface FileTree {
  /** Entries of a folder; none when there is no such folder. */
  list(path: string): Promise<readonly TreeEntry[]>;
  /** A text file's content, or undefined. */
  text(path: string): Promise<string | undefined>;
}

export interface TreeEntry {
  readonly name: string;
  readonly type: 'file' | 'folder' | 'link' | 'other';
  readonly size: number;
}

/** Returns an ext4 file system inside a file, read without mounting it. */
export function ext4Tree(fs: Ext4InFile, task: Task): FileTree {
  return {
    list: async (path) => (await listFolder(fs, path, task)) ?? [],
    text: (path) => readText(fs, path, task),
  };
}

/** Returns a folder. */
export function folderTree(root: string): FileTree {
  return {
    async list(path) {
      const folder = followInRoot(root, path);
      const entries: TreeEntry[] = [];
      for (const name of await namesIn(folder)) {
        const info = await lstat(join(folder, name));
        const other = info.isSymbolicLink() ? 'link' : 'other';
        const type = info.isFile() ? 'file' : info.isDirectory() ? 'folder' : other;
        entries.push({ name, type, size: info.size });
      }
      return entries;
    },
    text: (path) => readInTree(followInRoot(root, path)),
  };
}
