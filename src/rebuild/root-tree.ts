import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { NightlyError } from '../base/errors.ts';
import { sha256File } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { farScript } from '../builders/far-machine.ts';
import { staticBusybox } from '../builders/static-busybox.ts';
import { run } from '../programs/exec.ts';
import type { TarEntry } from './tar-stream.ts';

/** What is in a build root, below its top. */
export type RootEntry = { readonly path: string; readonly mode: number; readonly uid: number; readonly gid: number } & (
  | { readonly kind: 'file'; readonly object: string; readonly content: string; readonly size: number }
  | { readonly kind: 'folder' }
  | { readonly kind: 'symlink'; readonly target: string }
);

/** Reads a tree that was checked out, folders before what is in them, each folder sorted. @throws NightlyError `compose` for what no commit holds. */
export async function readRootTree(tree: string): Promise<RootEntry[]> {
  const limit = pLimit(4);
  const walk = async (below: string): Promise<RootEntry[]> => {
    const names = (await readdir(join(tree, below))).sort();
    const found = await Promise.all(
      names.map(async (name): Promise<RootEntry[]> => {
        const path = below === '' ? name : `${below}/${name}`;
        const content = join(tree, path);
        const {
          mode: full,
          uid,
          gid,
          size,
          ...kind
        } = await lstat(content).then((status) => ({
          mode: status.mode & 0o7777,
          uid: status.uid,
          gid: status.gid,
          size: status.size,
          folder: status.isDirectory(),
          link: status.isSymbolicLink(),
          file: status.isFile(),
        }));
        const owned = { path, mode: full, uid, gid };
        if (kind.folder) return [{ ...owned, kind: 'folder' }, ...(await walk(path))];
        if (kind.link) return [{ ...owned, kind: 'symlink', target: await readlink(content) }];
        if (!kind.file) throw new NightlyError('compose', `${content} is neither a file, a folder nor a link.`);
        const digest = await limit(() => sha256File(content));
        const object = `${digest}.${full.toString(8)}.${uid}.${gid}`;
        return [{ ...owned, kind: 'file', object, content, size }];
      }),
    );
    return found.flat();
  };
  return walk('');
}

/** Returns the digest of a tree as a builder takes it, by the same script and the same busybox. */
export async function treeListing(tree: string, task: Task): Promise<string> {
  const { stdout } = await run(await staticBusybox(), ['sh', farScript('far.sh'), 'listing', tree], { task });
  return stdout.trim();
}

/**
 * Returns the archive that makes a root on a builder: the objects that it lacks, then the tree, whose files are links to objects.
 * @param has names of the objects that are there
 */
export function rootArchive(commit: string, entries: readonly RootEntry[], has: ReadonlySet<string>): TarEntry[] {
  const top = `new/${commit}`;
  const missing = new Map<string, TarEntry>();
  for (const { path: _, ...entry } of entries) {
    if (entry.kind !== 'file' || has.has(entry.object)) continue;
    const { object, ...rest } = entry;
    missing.set(object, { ...rest, path: `objects/${object}` });
  }
  const folder = { mode: 0o755, uid: 0, gid: 0, kind: 'folder' } as const;
  return [
    { ...folder, path: 'objects' },
    ...missing.values(),
    { ...folder, path: 'roots' },
    { ...folder, path: 'new' },
    { ...folder, path: top },
    ...entries.map((entry): TarEntry => {
      const path = `${top}/${entry.path}`;
      if (entry.kind !== 'file') return { ...entry, path };
      const { mode, uid, gid, object } = entry;
      return { path, mode, uid, gid, kind: 'hardlink', target: `objects/${object}` };
    }),
  ];
}
