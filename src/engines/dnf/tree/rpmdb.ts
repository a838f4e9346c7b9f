import { mkdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { kindOf, namesIn } from './paths.ts';

/** The package database of the tree; the same bytes for the same packages. */
export async function settleRpmdb(root: string): Promise<void> {
  const db = join(root, 'usr/share/rpm');
  for (const name of await namesIn(db)) {
    // The lock, and SQLite's journal files, which are empty once the database is closed.
    if (name === '.rpm.lock' || /-(shm|wal|journal)$/.test(name)) await rm(join(db, name));
  }
  const link = join(root, 'usr/lib/sysimage/rpm');
  if ((await kindOf(link)) === 'link') return;
  await rm(link, { recursive: true, force: true });
  await mkdir(dirname(link), { recursive: true });
  await symlink('../../share/rpm', link);
}
