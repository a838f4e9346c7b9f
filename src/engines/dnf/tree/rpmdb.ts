import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyInTree, folderInTree, kindOf, linkInTree, namesIn } from '../../../base/tree-files.ts';
import { at, entry } from './tree-paths.ts';

/** Where clients that layer packages look for the database as it was composed. */
const BASE = 'usr/lib/sysimage/rpm-ostree-base-db';

/**
 * Settles the package database of the tree, the same bytes for the same packages, and keeps the copy that rpm-ostree's
 * clients compare with after they have layered packages. In a commit both are one object.
 */
export async function settleRpmdb(root: string): Promise<void> {
  const db = at(root, 'usr/share/rpm');
  for (const name of await namesIn(db)) {
    // The lock, and SQLite's journal files, which are empty once the database is closed.
    if (name === '.rpm.lock' || /-(shm|wal|journal)$/.test(name)) await rm(join(db, name));
  }
  const base = entry(root, BASE);
  await rm(base, { recursive: true, force: true });
  await folderInTree(base);
  for (const name of await namesIn(db)) {
    if ((await kindOf(join(db, name))) === 'file') await copyInTree(join(db, name), join(base, name));
  }
  const link = entry(root, 'usr/lib/sysimage/rpm');
  if ((await kindOf(link)) === 'link') return;
  await linkInTree(link, '../../share/rpm');
}
