import { unlink } from 'node:fs/promises';
import { kindOf } from '../../../base/tree-files.ts';
import { entry } from './tree-paths.ts';

/**
 * Packages of every distribution that have files in what belongs to a host's administrator, and whose files there nobody
 * misses: rpm-ostree leaves them out silently (importer_flags in its treefile.rs). Those of others are refused.
 */
export const EXTRANEOUS = ['filesystem', 'rootfiles'] as const;

const ADMINISTRATORS = /^\/(home|root|srv|mnt|media)\//;

/** Removes files of such packages in /root, /home, /srv, /mnt and /media. */
export async function removeExtraneous(
  root: string,
  packageFiles: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  for (const name of EXTRANEOUS) {
    for (const path of packageFiles.get(name) ?? []) {
      if (!ADMINISTRATORS.test(path)) continue;
      // The folders are the tree's own, or go with what is refused.
      const kind = await kindOf(entry(root, path));
      if (kind === 'file' || kind === 'link') await unlink(entry(root, path));
    }
  }
}
