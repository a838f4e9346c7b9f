import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { escapePath, linkTarget, TMPFILES } from '../dnf/tree/tmpfiles.ts';
import { declaredPaths } from '../dnf/tree/var.ts';
import type { TreeNames } from './tree-names.ts';
import type { Placed } from './tree-plan.ts';

/** The file that is added, in the tree. */
const FILE = `${TMPFILES}/atomic-nightly-var.conf`;

/**
 * Writes what a folder has in /var as lines for systemd-tmpfiles, which makes it on every host: folders with owner and mode,
 * and links. Files cannot be made that way; they are left out and named in the log.
 * @param into an empty folder, which gets the file at its path in the tree
 * @returns whether there was anything to write
 */
export async function writeVarTmpfiles(
  root: string,
  inVar: readonly Placed[],
  names: TreeNames,
  into: string,
  task: Task,
): Promise<boolean> {
  const declared = await declaredPaths(root);
  const dropped = inVar.filter(({ entry }) => entry.kind === 'file').map(({ path }) => path);
  if (dropped.length > 0) {
    const list = dropped.slice(0, 5).join(', ');
    task.say(
      `left out of the tree: ${formatCount(dropped.length, 'file')} in /var (${list}${dropped.length > 5 ? ', …' : ''})`,
    );
  }
  const lines = inVar.flatMap(({ entry, path, uid, gid }) => {
    if (declared.has(path)) return [];
    if (entry.kind === 'link') return [`L ${escapePath(path)} - - - - ${linkTarget(entry.target ?? '')}`];
    if (entry.kind !== 'folder') return [];
    const mode = (Number(entry.stat.mode) & 0o7777).toString(8).padStart(4, '0');
    return [`d ${escapePath(path)} ${mode} ${names.users.get(uid) ?? uid} ${names.groups.get(gid) ?? gid} - -`];
  });
  if (lines.length === 0) return false;
  const target = join(into, FILE);
  await makeFolder(dirname(target));
  const text = ['# What the tree has in /var. Written by the compose.', ...lines.toSorted(byPath)].join('\n');
  await writeFile(target, `${text}\n`, { mode: 0o644 });
  return true;
}

/** Folders before what is in them, whatever order they were found in. */
const byPath = (a: string, b: string): number => (a.slice(2) < b.slice(2) ? -1 : 1);
