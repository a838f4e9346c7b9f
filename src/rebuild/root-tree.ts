import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { NightlyError } from '../base/errors.ts';
import { ifThere, sha256File } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { farScript } from '../builders/far-machine.ts';
import { staticBusybox } from '../builders/static-busybox.ts';
import { run } from '../programs/exec.ts';
import type { TarEntry } from './tar-stream.ts';

interface Owned {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

type Other = { readonly kind: 'folder' } | { readonly kind: 'symlink'; readonly target: string };

/** What is in a build root, below its top. */
export type RootEntry = Owned &
  (
    | Other
    | {
        readonly kind: 'file';
        /** Name that the file has on builders. */
        readonly object: string;
        readonly sha256: string;
        /** Where it is here. */
        readonly content: string;
        /** Bytes. */
        readonly size: number;
      }
  );

/** What the file system says of something in a tree; of a file also what changes with each write to it. */
export type SeenEntry = Owned & (Other | { readonly kind: 'file'; readonly size: number; readonly touched: string });

/**
 * Looks at a tree that was checked out without reading files: folders before what is in them, each folder sorted. Nothing is opened.
 * @throws NightlyError `compose` for what no commit holds.
 */
export async function seeTree(tree: string): Promise<SeenEntry[]> {
  const see = async (below: string): Promise<SeenEntry[]> => {
    const names = (await ifThere(readdir(join(tree, below)))) ?? [];
    const found = await Promise.all(
      names.sort().map(async (name): Promise<SeenEntry[]> => {
        const path = below === '' ? name : `${below}/${name}`;
        const place = join(tree, path);
        const status = await lstat(place, { bigint: true });
        const mode = Number(status.mode) & 0o7777;
        const owned = { path, mode, uid: Number(status.uid), gid: Number(status.gid) };
        if (status.isDirectory()) return [{ ...owned, kind: 'folder' }, ...(await see(path))];
        if (status.isSymbolicLink()) return [{ ...owned, kind: 'symlink', target: await readlink(place) }];
        if (!status.isFile()) throw new NightlyError('compose', `${place} is neither a file, a folder nor a link.`);
        const touched = `${status.ino} ${status.mtimeNs} ${status.ctimeNs}`;
        return [{ ...owned, kind: 'file', size: Number(status.size), touched }];
      }),
    );
    return found.flat();
  };
  return see('');
}

/**
 * Reads a tree that was checked out, in the order of `seeTree`.
 * @param known what was seen of it, and SHA-256 of its files by path where they were read before; else it is looked at and read
 * @throws NightlyError `compose` for what no commit holds.
 */
export async function readRootTree(
  tree: string,
  known?: { readonly seen: readonly SeenEntry[]; readonly digests: ReadonlyMap<string, string> },
): Promise<RootEntry[]> {
  const entries = known?.seen ?? (await seeTree(tree));
  return pLimit(4).map(entries, async (entry): Promise<RootEntry> => {
    if (entry.kind !== 'file') return entry;
    const { touched: _, ...rest } = entry;
    const content = join(tree, entry.path);
    const digest = known?.digests.get(entry.path) ?? (await sha256File(content));
    const { mode, uid, gid } = entry;
    return { ...rest, content, sha256: digest, object: `${digest}.${mode.toString(8)}.${uid}.${gid}` };
  });
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
    const { object, sha256: _digest, ...rest } = entry;
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
