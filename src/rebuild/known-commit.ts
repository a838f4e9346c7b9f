import { join } from 'node:path';
import { withTemporaryFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { joinKnown, type KnownFile, type KnownGood } from '../builders/known-file.ts';
import { checkOut } from '../programs/ostree.ts';
import { type RootEntry, readRootTree } from './root-tree.ts';

/** Bits of the kind of file in a mode of stat(2). */
const KINDS = { file: 0o100000, folder: 0o040000, symlink: 0o120000 } as const;

/**
 * Returns what a commit has, as it is on a machine that was booted from it: files of /usr/etc also as those of /etc, where the
 * machine may have its own instead.
 * @param folder where the tree is checked out for a moment
 * @throws NightlyError `tool-failed` when the commit is not there.
 */
export async function knownFromCommit(
  { repo, commit, folder }: { readonly repo: string; readonly commit: string; readonly folder: string },
  task: Task,
): Promise<KnownGood> {
  return withTemporaryFolder(async (dir) => {
    const tree = join(dir, 'tree');
    await checkOut({ repo, commit, folder: tree }, task);
    const entries = await readRootTree(tree);
    return joinKnown(
      entries.flatMap((entry): (readonly [string, KnownFile])[] => {
        const file = knownOf(entry);
        const path = `/${entry.path}`;
        if (!path.startsWith('/usr/etc/')) return [[path, file]];
        return [
          [path, file],
          [path.slice('/usr'.length), { ...file, config: true }],
        ];
      }),
    );
  }, folder);
}

function knownOf(entry: RootEntry): KnownFile {
  return {
    mode: KINDS[entry.kind] | entry.mode,
    byRoot: entry.uid === 0,
    config: false,
    ...(entry.kind === 'file' && { digest: entry.sha256 }),
    ...(entry.kind === 'symlink' && { link: entry.target }),
  };
}
