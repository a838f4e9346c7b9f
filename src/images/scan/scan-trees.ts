import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../base/files.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
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
  const orNothing = <Value>(nothing: Value) => {
    return (error: unknown): Value => {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return nothing;
      throw error;
    };
  };
  return {
    async list(path) {
      const entries = await readdir(followInRoot(root, path), { withFileTypes: true }).catch(orNothing([]));
      return Promise.all(
        entries.map(async (entry) => ({
          name: entry.name,
          type: entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'other',
          size: (await lstat(join(followInRoot(root, path), entry.name))).size,
        })),
      );
    },
    text: (path) => readFile(followInRoot(root, path), 'utf8').catch(orNothing(undefined)),
  };
}
